import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import { oldness, simulatedBadge, tabs } from '../components.ts';
import {
  type Dashboard,
  type PastRating,
  type Rating,
  type RatingDetail,
  sides,
  type Vote,
} from '../dashboard.ts';
import * as format from '../format.ts';
import { type Html, page } from '../layout.ts';
import type { Topic } from '../live/events.ts';
import { bandMark, countedVotes, gaugeMark, ratingFreshness, ratingUrl } from '../ratings.ts';
import { readSymbol } from './instrument.ts';

type Query = (name: string) => string | undefined;

function readTimeframe(query: Query): string | null {
  const timeframe = query('timeframe');
  return timeframe !== undefined && /^[1-9][0-9]{0,3}[smhd]$/.test(timeframe) ? timeframe : null;
}

const readSide = (query: Query): string | null =>
  sides.find(side => side === query('side')) ?? null;

const isOf = (timeframe: string, side: string) => (rating: Rating) =>
  rating.timeframe === timeframe && rating.side === side;

function titleOf(symbol: string, { band, timeframe }: Rating): string {
  const name = `${symbol} rating ${timeframe}`;
  return band === null ? name : `${format.bandSigns(band).arrow} ${band} · ${name}`;
}

const numberOf = (value: number | null) =>
  value === null ? '' : html` <span class="sign">${format.change(value, 2)}</span>`;

function panel(symbol: string, rating: Rating): Html {
  const groups = [
    ['Moving averages', rating.moving_averages, rating.moving_averages_band],
    ['Oscillators', rating.oscillators, rating.oscillators_band],
  ] as const;
  return html`<section id="now" class="now" aria-label="Current rating" ${ratingFreshness(rating)} data-title="${titleOf(symbol, rating)} · Foresight">
    <div class="gauges">
      <div><h2>Rating</h2><p class="large" data-flash>${bandMark(rating.band)}${numberOf(rating.rating)} ${oldness(rating.state)}</p>${gaugeMark('Rating', rating.rating, rating.band)}</div>
      ${groups.map(
        ([name, value, band]) =>
          html`<div><h2>${name}</h2><p data-flash>${bandMark(band)}${numberOf(value)}</p>${gaugeMark(name, value, band)}</div>`,
      )}
    </div>
    <dl class="facts">
      <div><dt>Votes counted</dt><dd data-flash>${countedVotes(rating)}</dd></div>
      <div><dt>Buy</dt><dd data-flash>${rating.buy}</dd></div>
      <div><dt>Neutral</dt><dd data-flash>${rating.neutral}</dd></div>
      <div><dt>Sell</dt><dd data-flash>${rating.sell}</dd></div>
      <div><dt>Bucket</dt><dd>${format.utc(rating.bucket)}</dd></div>
    </dl>
  </section>`;
}

/** What the stream of a rating's page carries. */
export function ratingTopic(query: Query): Topic | null {
  const [symbol, timeframe] = [readSymbol(query('symbol')), readTimeframe(query)];
  const side = readSide(query);
  if (symbol === null || timeframe === null || side === null) return null;
  return {
    key: `rating ${symbol} ${timeframe} ${side}`,
    source: 'watchlist',
    render(rows) {
      const row = rows.find(candidate => candidate.symbol === symbol);
      const rating = row?.ratings.find(isOf(timeframe, side));
      const whole = () =>
        String(
          rating === undefined
            ? html`<section id="now" class="now"><p>This rating is not computed any more.</p></section>`
            : panel(symbol, rating),
        );
      return {
        id: 'now',
        shape: rating === undefined ? 'gone' : 'now',
        whole,
        parts: new Map([['now', { signature: JSON.stringify(rating ?? null), html: whole }]]),
      };
    },
  };
}

function voteRow(vote: Vote, precision: number): Html {
  const signs = vote.verdict === null ? null : format.bandSigns(wordOf(vote.verdict));
  return html`<tr>
    <th scope="row">${vote.indicator_id === null ? vote.label : html`<a href="/indicators/${vote.indicator_id}">${vote.label}</a>`}</th>
    <td class="num">${vote.unit === null ? format.none : format.output(vote.value, vote.unit, precision)}</td>
    <td>${
      vote.verdict === null || signs === null
        ? html`<span class="verdict warming">${vote.state}</span>`
        : html`<span class="verdict ${signs.tone}"><span class="arrow" aria-hidden="true">${signs.arrow}</span> ${wordOf(vote.verdict)}</span>${vote.state === 'counted' ? '' : html`<span class="detail">${vote.state}</span>`}`
    }</td>
    <td class="num">${vote.weight}</td>
    <td class="sentence">${vote.rule ?? format.none}</td>
  </tr>`;
}

const wordOf = (verdict: number) => (verdict > 0 ? 'buy' : verdict < 0 ? 'sell' : 'neutral');

function votesTable(detail: RatingDetail): Html {
  const groups = Map.groupBy(detail.votes, vote => vote.vote_group);
  // Fetched anew when the stream says that something changed: the page itself, of which this is taken.
  return html`<section id="votes" hx-get="${ratingUrl(detail.symbol, detail)}" hx-select="#votes"
    hx-swap="outerMorph" hx-trigger="changed from:#stream throttle:1s">
    ${[...groups].map(
      ([
        group,
        votes,
      ]) => html`<h2>${group.charAt(0).toUpperCase()}${group.slice(1)} <small>${votes.length} votes</small></h2>
      <div class="grid" tabindex="0" role="region" aria-label="Votes, scrolls sideways"><table>
        <thead><tr><th scope="col">Indicator</th><th scope="col" class="num">Value</th><th scope="col">Vote</th><th scope="col" class="num">Weight</th><th scope="col">Rule</th></tr></thead>
        <tbody>${votes.map(vote => voteRow(vote, detail.price_precision))}</tbody>
      </table></div>`,
    )}
  </section>`;
}

const formula = html`<section aria-label="Formula"><h2>Formula</h2>
  <p class="rule">Each vote is +1 (its indicator is bullish), 0 or −1 (bearish). A group is the mean of its votes, by their weights; the rating is the mean of both groups, or that of the one that has votes. Beyond ±0.5 it is strong, beyond ±0.1 plain; an exact limit belongs to the calmer word. A vote that cannot be computed is left out, and the count says so. All votes are of the same bucket. Votes and weights are rows of <code>rating.votes</code>; older ratings are those that the present ones give.</p>
  <p class="detail">As TradingView's technical rating of 2021, whose descriptions differ in details. Here: Stochastic and Stochastic RSI need K on the far side of D, the ADX must rise, the Ichimoku spans are those of 26 bars ago.</p></section>`;

function historyRow(past: PastRating): Html {
  return html`<tr>
    <th scope="row"><time datetime="${format.iso(past.bucket)}">${format.utc(past.bucket).replace(' UTC', '')}</time></th>
    <td>${bandMark(past.band)}</td>
    <td class="num">${format.change(past.rating, 2)}</td>
    <td class="num">${format.change(past.moving_averages, 2)}</td>
    <td class="num">${format.change(past.oscillators, 2)}</td>
    <td class="num">${past.buy}</td><td class="num">${past.neutral}</td><td class="num">${past.sell}</td>
    <td class="num">${countedVotes(past)}</td>
  </tr>`;
}

function history(detail: RatingDetail): Html {
  return html`<section id="history" hx-get="${ratingUrl(detail.symbol, detail)}" hx-select="#history"
    hx-swap="outerMorph" hx-trigger="changed from:#stream throttle:5s">
    <h2>Last closed candles <small>UTC, newest first</small></h2>
    ${
      detail.history.length === 0
        ? html`<p>No rating of a closed candle yet.</p>`
        : html`<div class="grid" tabindex="0" role="region" aria-label="History, scrolls sideways"><table>
      <thead><tr><th scope="col">Bucket</th><th scope="col">Rating</th><th scope="col" class="num">−1 to +1</th><th scope="col" class="num">Moving averages</th><th scope="col" class="num">Oscillators</th><th scope="col" class="num">Buy</th><th scope="col" class="num">Neutral</th><th scope="col" class="num">Sell</th><th scope="col" class="num">Counted</th></tr></thead>
      <tbody>${detail.history.map(historyRow)}</tbody>
    </table></div>`
    }
  </section>`;
}

async function show(context: Context, dashboard: Dashboard, symbol: string) {
  const query = (name: string) => context.req.query(name);
  const timeframe = readTimeframe(query);
  if (timeframe === null || (query('side') !== undefined && readSide(query) === null)) {
    return context.notFound();
  }
  const detail = await dashboard.rating(symbol, timeframe, readSide(query));
  const rating = detail?.ratings.find(isOf(timeframe, detail.side));
  if (detail === null || rating === undefined) return context.notFound();
  const { side } = detail;
  return context.html(
    page({
      context,
      title: titleOf(symbol, rating),
      stream: `page=rating&${new URLSearchParams({ symbol, timeframe, side })}`,
      content: html`<div class="heading"><h1><a href="/instruments/${symbol}">${symbol}</a> rating <small>${timeframe} · ${side}</small> ${simulatedBadge(detail.is_simulated)}</h1>
        <p class="detail">${detail.description ?? detail.source}</p></div>
        ${tabs(
          'Timeframe',
          detail.ratings.map(each => ({
            name: each.side === side ? each.timeframe : `${each.timeframe} ${each.side}`,
            href: ratingUrl(symbol, each),
            isCurrent: each === rating,
          })),
          true,
        )}
        ${panel(symbol, rating)}
        ${votesTable(detail)}
        ${formula}
        ${history(detail)}`,
    }),
  );
}

export function ratingScreen(dashboard: Dashboard): Hono {
  const routes = new Hono();
  routes.get('/instruments/:symbol/rating', context => {
    const symbol = readSymbol(context.req.param('symbol'));
    return symbol === null ? context.notFound() : show(context, dashboard, symbol);
  });
  return routes;
}
