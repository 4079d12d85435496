import { html } from 'hono/html';
import type { Freshness, IndicatorRow, WatchlistRow } from './dashboard.ts';
import * as format from './format.ts';
import type { Html } from './layout.ts';

/** Says that prices are made up, wherever they are shown. */
export function simulatedBadge(isSimulated: boolean): Html | '' {
  return isSimulated
    ? html`<span class="badge simulated" title="These prices come from a simulator, not from a market">simulated</span>`
    : '';
}

/** That the verdict of an indicator may still move, or null. */
export function settling(
  row: Pick<IndicatorRow, 'verdict' | 'bars' | 'bars_window'>,
): string | null {
  const isSettling = row.verdict !== null && row.bars < row.bars_window;
  return isSettling ? `settling ${row.bars} of ${row.bars_window}` : null;
}

/** A verdict in word, arrow, sign and colour; why there is none instead. */
export function verdictMark(row: Pick<IndicatorRow, 'verdict' | 'absence'>): Html {
  if (row.verdict === null) {
    return html`<span class="verdict warming">${row.absence?.words ?? 'no verdict'}</span>`;
  }
  const { tone, arrow, word, sign } = format.verdictSigns(row.verdict);
  return html`<span class="verdict ${tone}"><span class="arrow" aria-hidden="true">${arrow}</span> <span class="word">${word}</span> <span class="sign">${sign}</span></span>`;
}

/**
 * Attributes of what grows old, with the time of its newest and how often there should be news: page.js goes on
 * with the law of dashboard.freshness by itself, whatever becomes of us.
 */
export function freshness(newestAt: string | null, everySeconds: number, state: Freshness): Html {
  return newestAt === null
    ? html`data-state="absent"`
    : html`data-state="${state}" data-at="${format.iso(newestAt)}" data-every="${everySeconds}"`;
}

/** Says in a word that its nearest element with {@link freshness} is old. */
export function oldness(state: Freshness, dead = 'dead'): Html {
  const word = state === 'dead' ? dead : state === 'stale' ? state : '';
  return html`<b class="oldness" data-dead="${dead}">${word}</b>`;
}

/** Why a price is old: a market that is closed tells none. */
export const deadFeed = ({ is_open }: { readonly is_open: boolean | null }): string =>
  is_open === false ? 'market closed' : 'dead feed';

/** The age of a time, which page.js lets grow between two renderings; `old` is what {@link oldness} says. */
export function age(time: string | null, now: number, old: Html | '' = ''): Html {
  if (time === null) return html`<span class="age absent">no data</span>`;
  return html`<span class="age"><time datetime="${format.iso(time)}" title="${format.utc(time)}" data-age>${format.duration(
    format.secondsSince(time, now),
  )}</time> ${old}</span>`;
}

/** The age of bid and ask where the newest tick is younger: a trade, which has none. */
export function quoteAge(row: WatchlistRow, now: number): Html | '' {
  const { quoted_at, quote_state, observed_at } = row;
  if (quoted_at === null || quoted_at === observed_at) return '';
  return html`<span class="detail">${age(quoted_at, now, oldness(quote_state, deadFeed(row)))}</span>`;
}

/** Tabs as links, so that every choice has a URL; keys 1 to 9 follow them. */
export function tabs(
  label: string,
  choices: readonly { name: string; href: string; isCurrent: boolean }[],
  hasKeys = false,
): Html {
  return html`<nav class="tabs" aria-label="${label}">${choices.map(
    (choice, index) =>
      html`<a href="${choice.href}" ${choice.isCurrent ? html`aria-current="true"` : ''} ${
        hasKeys ? html`data-key="${index + 1}"` : ''
      }>${choice.name}</a>`,
  )}</nav>`;
}

const seconds = (time: number) => new Date(time).toISOString().replace('.000Z', 'Z');

/** What one candle is made of, which leads to the page with its ticks. */
export function madeOf(
  symbol: string,
  bucket: string,
  widthSeconds: number,
  candle: { readonly tick_count: number; readonly reconstructed_count: number },
): Html {
  const from = format.milliseconds(bucket);
  const query = new URLSearchParams({
    from: seconds(from),
    to: seconds(from + widthSeconds * 1_000),
  });
  const { tick_count: count, reconstructed_count: made } = candle;
  return html`<a href="/instruments/${encodeURIComponent(symbol)}/ticks?${query}">${format.count(count)} ticks</a>${
    made === 0
      ? ''
      : html` <em title="${format.count(made)} of its ticks are reconstructed from the provider's candles">${format.count(made)} reconstructed</em>`
  }`;
}
