import { html } from 'hono/html';
import type { IndicatorRow } from './dashboard.ts';
import * as format from './format.ts';
import type { Html } from './layout.ts';

export interface Summary {
  /** Mean of the votes from -1 to +1; null when nobody may vote. */
  readonly mean: number | null;
  readonly tone: string;
  readonly arrow: string;
  readonly word: string;
  /** Votes by verdict, and how many have none as they warm up or are old. */
  readonly counts: string;
}

/** One verdict of all indicators: the mean of their votes, in five bands cut at 0.1 and 0.5. */
export function summarize(indicators: readonly IndicatorRow[], now: number): Summary {
  const votes = indicators
    .filter(({ bucket, width_seconds }) => format.freshness(bucket, width_seconds, now) === 'live')
    .flatMap(({ verdict }) => (verdict === null ? [] : [verdict]));
  const left = indicators.length - votes.length;
  const leftOut = left === 0 ? [] : [`${left} left out`];
  if (votes.length === 0) {
    return {
      mean: null,
      tone: 'warming',
      arrow: '',
      word: format.none,
      counts: leftOut.join(''),
    };
  }
  const mean = votes.reduce<number>((sum, vote) => sum + vote, 0) / votes.length;
  const number = (verdict: number) => votes.filter(vote => vote === verdict).length;
  const votesText = `▲${number(1)} ■${number(0)} ▼${number(-1)}`;
  const { tone, arrow, word } = format.verdictSigns(mean >= 0.1 ? 1 : mean <= -0.1 ? -1 : 0);
  return {
    mean,
    tone,
    arrow,
    word: Math.abs(mean) >= 0.5 ? `strong ${word}` : word,
    counts: [votesText, ...leftOut].join(', '),
  };
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
