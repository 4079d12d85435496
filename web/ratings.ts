import { html } from 'hono/html';
import { freshness, oldness } from './components.ts';
import type { Band, Rating } from './dashboard.ts';
import * as format from './format.ts';
import type { Html } from './layout.ts';

export function ratingUrl(symbol: string, { timeframe, side }: Pick<Rating, 'timeframe' | 'side'>) {
  return `/instruments/${encodeURIComponent(symbol)}/rating?${new URLSearchParams({ timeframe, side })}`;
}

export const ratingFreshness = ({ bucket, width_seconds, state }: Rating): Html =>
  freshness(bucket, width_seconds, state);

/** A band in word, arrow and colour. */
export function bandMark(band: Band | null): Html {
  if (band === null) return html`<span class="verdict warming">no votes yet</span>`;
  const { tone, arrow } = format.bandSigns(band);
  return html`<span class="verdict ${tone}"><span class="arrow" aria-hidden="true">${arrow}</span> ${band}</span>`;
}

export const countedVotes = ({ counted, votes }: Pick<Rating, 'counted' | 'votes'>): string =>
  `${counted} of ${votes}`;

/** The rating of one timeframe, as a link to its votes. */
export function ratingCell(symbol: string, rating: Rating): Html {
  const detail = [
    rating.timeframe,
    ...(rating.rating === null ? [] : [format.change(rating.rating, 2)]),
    `${countedVotes(rating)} votes`,
  ];
  return html`<a class="cell" href="${ratingUrl(symbol, rating)}" ${ratingFreshness(rating)}>${bandMark(rating.band)}<span class="detail">${detail.join(' · ')} ${oldness(rating.state)}</span></a>`;
}

const gauge = { width: 240, limits: [-1, -0.5, -0.1, 0.1, 0.5, 1] } as const;
const placeOf = (value: number) => Math.round(((value + 1) / 2) * gauge.width);

/** A scale from strong sell to strong buy with a mark on it. */
export function gaugeMark(name: string, value: number | null, band: Band | null): Html {
  const text = `${name}: ${value === null ? 'no votes yet' : `${band}, ${format.change(value, 2)} from −1 to +1`}`;
  const at = value === null ? null : placeOf(value);
  return html`<svg class="gauge" viewBox="0 0 ${gauge.width} 20" role="img" aria-label="${text}"><title>${text}</title>${gauge.limits
    .slice(1)
    .map((limit, index) => {
      const from = placeOf(gauge.limits[index] ?? -1);
      const tone = index < 2 ? 'down' : index > 2 ? 'up' : 'flat';
      const isStrong = index === 0 || index === 4;
      return html`<rect class="${tone} ${isStrong ? 'strong' : ''}" x="${from + 1}" y="8" width="${placeOf(limit) - from - 2}" height="6"/>`;
    })}${at === null ? '' : html`<path class="mark" d="M${at - 5} 1h10l-5 7z"/>`}</svg>`;
}
