import { html } from 'hono/html';
import { freshness, oldness } from './components.ts';
import type { Summary, WatchlistRow } from './dashboard.ts';
import * as format from './format.ts';
import type { Html } from './layout.ts';

/** It is as old as the vote that grows old first. */
export function summaryFreshness({ indicators }: WatchlistRow): Html | '' {
  let first: { bucket: string; width: number; until: number } | undefined;
  for (const { bucket, verdict, state, width_seconds: width } of indicators) {
    if (bucket === null || verdict === null || state !== 'live') continue;
    const until = format.milliseconds(bucket) + 2_000 * width;
    if (first === undefined || until < first.until) first = { bucket, width, until };
  }
  return first === undefined ? '' : freshness(first.bucket, first.width, 'live');
}

/** The verdict of all indicators of an instrument, and who voted what. */
export function summaryMark(summary: Summary): Html {
  const leftOut = summary.left_out === 0 ? [] : [`${summary.left_out} left out`];
  const detail = (counts: string) =>
    html`<span class="detail" title="left out: warming up or old">${counts}</span>`;
  if (summary.verdict === null) {
    return html`<span class="verdict warming">${format.none}</span>${detail(leftOut.join(''))}`;
  }
  const { tone, arrow, word } = format.verdictSigns(summary.verdict);
  const votes = `▲${summary.bullish} ■${summary.neutral} ▼${summary.bearish}`;
  return html`<span class="verdict ${tone}"><span class="arrow" aria-hidden="true">${arrow}</span> ${
    summary.is_strong ? 'strong ' : ''
  }${word}</span> ${oldness('live')}${detail([votes, ...leftOut].join(', '))}`;
}

/** A line of closes as SVG; its text alternative says what the line shows. */
export function sparkline(closes: readonly (number | null)[], precision: number): Html {
  const values = closes.filter(close => close !== null);
  const first = values[0];
  const last = values.at(-1);
  if (first === undefined || last === undefined || values.length < 2) {
    return html`<span class="none">${format.none}</span>`;
  }
  const low = Math.min(...values);
  const high = Math.max(...values);
  const height = (close: number) => (high === low ? 12 : 22 - (20 * (close - low)) / (high - low));
  const points = values
    .map(
      (close, index) =>
        `${((100 * index) / (values.length - 1)).toFixed(1)},${height(close).toFixed(1)}`,
    )
    .join(' ');
  const text = `${values.length} closes, last ${format.price(last, precision)}, change ${format.change(
    last - first,
    precision,
  )}, range ${format.price(low, precision)} to ${format.price(high, precision)}`;
  const tone = last > first ? 'up' : last < first ? 'down' : 'flat';
  return html`<svg class="sparkline ${tone}" viewBox="0 0 100 24" preserveAspectRatio="none" role="img" aria-label="${text}"><title>${text}</title><polyline points="${points}"/></svg>`;
}
