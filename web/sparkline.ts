import { html } from 'hono/html';
import * as format from './format.ts';
import type { Html } from './layout.ts';

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
