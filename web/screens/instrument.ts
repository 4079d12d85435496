import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import {
  age,
  deadFeed,
  freshness,
  madeOf,
  oldness,
  quoteAge,
  simulatedBadge,
  tabs,
  verdictMark,
} from '../components.ts';
import { type Candle, type Dashboard, sides, type Tick, type WatchlistRow } from '../dashboard.ts';
import * as format from '../format.ts';
import { errorPage, type Html, page } from '../layout.ts';
import type { Topic } from '../live/events.ts';
import { bandMark, countedVotes, ratingFreshness, ratingUrl } from '../ratings.ts';

const shownCandles = 100;
const shownTicks = 1_000;
/** The longest range of ticks on one page: the widest candle. */
const longestRange = 86_400_000;

export function readSymbol(text: string | undefined): string | null {
  return text !== undefined && /^[A-Z0-9][A-Z0-9._:-]{0,31}$/.test(text) ? text : null;
}

/** An ISO time in UTC, to the microsecond, or null. */
function readTime(text: string | undefined): string | null {
  const isTime = text !== undefined && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$/.test(text);
  return isTime && !Number.isNaN(format.milliseconds(text)) ? text : null;
}

function quote(row: WatchlistRow | undefined, now: number): Html {
  if (row === undefined) {
    return html`<section id="quote" class="now"><p>This instrument is not active: its prices are not updated.</p></section>`;
  }
  const { price_precision: precision, state } = row;
  const fresh = freshness(row.observed_at, row.interval_seconds, state);
  const quoted = freshness(row.quoted_at, row.interval_seconds, row.quote_state);
  return html`<section id="quote" class="now" aria-label="Current price" data-title="${format.price(row.price, precision)} ${row.symbol} · Foresight">
    <p class="large figure" ${fresh} data-flash>${format.price(row.price, precision)}</p>
    <dl class="facts">
      <div><dt>Bid</dt><dd ${quoted} data-flash>${format.price(row.bid, precision)} ${quoteAge(row, now)}</dd></div>
      <div><dt>Ask</dt><dd ${quoted} data-flash>${format.price(row.ask, precision)} ${quoteAge(row, now)}</dd></div>
      <div><dt>Since 00:00 UTC</dt><dd ${fresh} data-flash>${format.change(row.change, precision)} (${format.percent(row.change_percent)})</dd></div>
      <div><dt>Newest tick</dt><dd ${fresh}>${age(row.observed_at, now, oldness(state, deadFeed(row)))}</dd></div>
      ${row.ratings.map(
        rating =>
          html`<div><dt>Rating ${rating.timeframe}</dt><dd data-flash ${ratingFreshness(rating)}><a href="${ratingUrl(row.symbol, rating)}">${bandMark(rating.band)}</a> <span class="sign">${countedVotes(rating)}</span> ${oldness(rating.state)}</dd></div>`,
      )}
      ${row.indicators
        .filter(({ is_own }) => is_own)
        .map(
          indicator =>
            html`<div><dt>${indicator.label} ${indicator.timeframe}</dt><dd data-flash ${freshness(indicator.bucket, indicator.width_seconds, indicator.state)}><a href="/indicators/${indicator.indicator_id}">${verdictMark(indicator)}</a> ${oldness(indicator.state)}</dd></div>`,
        )}
    </dl>
  </section>`;
}

/** What the stream of an instrument's page carries. */
export function instrumentTopic(query: (name: string) => string | undefined): Topic | null {
  const symbol = readSymbol(query('symbol'));
  if (symbol === null) return null;
  return {
    key: `instrument ${symbol}`,
    source: 'watchlist',
    render(rows, now) {
      const row = rows.find(candidate => candidate.symbol === symbol);
      const whole = () => String(quote(row, now));
      return {
        id: 'quote',
        shape: row === undefined ? 'inactive' : 'active',
        whole,
        parts: new Map([['quote', { signature: JSON.stringify(row ?? null), html: whole }]]),
      };
    },
  };
}

interface View {
  readonly symbol: string;
  readonly timeframe: string;
  /** In seconds. */
  readonly width: number;
  readonly side: string;
}

const viewUrl = ({ symbol, timeframe, side }: Omit<View, 'width'>) =>
  `/instruments/${symbol}?${new URLSearchParams({ timeframe, side })}`;

function candleRow(candle: Candle, view: View, precision: number): Html {
  const tone = candle.close > candle.open ? 'up' : candle.close < candle.open ? 'down' : 'flat';
  return html`<tr>
    <th scope="row"><time datetime="${format.iso(candle.bucket)}">${format.utc(candle.bucket).replace(' UTC', '')}</time></th>
    <td class="num">${format.price(candle.open, precision)}</td>
    <td class="num">${format.price(candle.high, precision)}</td>
    <td class="num">${format.price(candle.low, precision)}</td>
    <td class="num ${tone}">${format.price(candle.close, precision)}</td>
    <td class="num">${format.change(candle.close - candle.open, precision)}</td>
    <td class="num">${format.price(candle.average, precision + 1)}</td>
    <td class="num">${format.value(candle.volume)}</td>
    <td>${candle.is_closed ? 'closed' : html`<em>forming</em>`}</td>
    <td class="num">${format.count(candle.revision)}</td>
    <td class="num">${madeOf(view.symbol, candle.bucket, view.width, candle)}</td>
  </tr>`;
}

function candleTable(candles: readonly Candle[], view: View, precision: number): Html {
  return html`<section id="candles" hx-get="${viewUrl(view)}" hx-select="#candles"
    hx-swap="outerMorph" hx-trigger="changed from:#stream throttle:1s">
    ${
      candles.length === 0
        ? html`<p>No ${view.side} candles of ${view.timeframe} in the last ${shownCandles} intervals.</p>`
        : html`<div class="grid" tabindex="0" role="region" aria-label="Candles, scrolls sideways"><table>
      <thead><tr><th scope="col">Bucket (UTC)</th><th scope="col" class="num">Open</th><th scope="col" class="num">High</th><th scope="col" class="num">Low</th><th scope="col" class="num">Close</th><th scope="col" class="num">Close − open</th><th scope="col" class="num">Average</th><th scope="col" class="num">Volume</th><th scope="col">Candle</th><th scope="col" class="num">Revision</th><th scope="col" class="num">Made of</th></tr></thead>
      <tbody>${candles.map(candle => candleRow(candle, view, precision))}</tbody>
    </table></div>`
    }
  </section>`;
}

async function show(context: Context, dashboard: Dashboard, symbol: string) {
  const instrument = await dashboard.instrument(symbol);
  if (instrument === null) return context.notFound();
  const wanted = context.req.query('timeframe');
  // A minute, or what there is next below it.
  const shown = instrument.timeframes.findLast(({ timeframe: name, width_seconds }) =>
    wanted === undefined ? width_seconds <= 60 : name === wanted,
  );
  if (shown === undefined) return context.notFound();
  const { timeframe, width_seconds: width } = shown;
  const rows = await dashboard.watchlist();
  const row = rows.find(candidate => candidate.symbol === symbol);
  const isTraded = row !== undefined && row.last !== null && row.mid === null;
  const side = context.req.query('side') ?? (isTraded ? 'last' : 'mid');
  if (!sides.some(known => known === side)) return context.notFound();
  const view = { symbol, timeframe, width, side };
  const candles = await dashboard.candles(symbol, timeframe, side, shownCandles);
  return context.html(
    page({
      context,
      title: symbol,
      stream: `page=instrument&symbol=${encodeURIComponent(symbol)}`,
      content: html`<div class="heading"><h1>${symbol} ${simulatedBadge(instrument.is_simulated)}</h1>
        <p class="detail">${instrument.description ?? ''} · source ${instrument.source}</p></div>
        ${quote(row, Date.now())}
        <div class="choices">${tabs(
          'Timeframe',
          instrument.timeframes.map(({ timeframe: name }) => ({
            name,
            href: viewUrl({ ...view, timeframe: name }),
            isCurrent: name === timeframe,
          })),
          true,
        )}${tabs(
          'Side',
          sides.map(name => ({
            name,
            href: viewUrl({ ...view, side: name }),
            isCurrent: name === side,
          })),
        )}</div>
        ${candleTable(candles, view, instrument.price_precision)}`,
    }),
  );
}

function tickRow(tick: Tick, precision: number): Html {
  return html`<tr>
    <th scope="row"><time datetime="${format.iso(tick.observed_at)}">${format.utc(tick.observed_at).replace(' UTC', '')}</time></th>
    <td class="num">${tick.seq}</td>
    <td class="num">${format.price(tick.bid, precision)}</td>
    <td class="num">${format.price(tick.ask, precision)}</td>
    <td class="num">${format.price(tick.last, precision)}</td>
    <td class="num">${format.value(tick.size)}</td>
    <td>${format.utc(tick.received_at).replace(' UTC', '')}</td>
    <td>${tick.origin === 'reconstructed' ? html`<em>reconstructed</em>` : tick.origin}</td>
  </tr>`;
}

function tickTable(ticks: readonly Tick[], precision: number): Html {
  if (ticks.length === 0) return html`<p>No ticks were observed in this time.</p>`;
  return html`<div class="grid" tabindex="0" role="region" aria-label="Ticks, scrolls sideways"><table>
    <thead><tr><th scope="col">Observed (UTC)</th><th scope="col" class="num">Sequence</th><th scope="col" class="num">Bid</th><th scope="col" class="num">Ask</th><th scope="col" class="num">Last</th><th scope="col" class="num">Size</th><th scope="col">Received (UTC)</th><th scope="col">Origin</th></tr></thead>
    <tbody>${ticks.map(tick => tickRow(tick, precision))}</tbody>
  </table></div>`;
}

async function showTicks(context: Context, dashboard: Dashboard, symbol: string) {
  const from = readTime(context.req.query('from'));
  const to = readTime(context.req.query('to'));
  const range = from && to ? format.milliseconds(to) - format.milliseconds(from) : Number.NaN;
  if (from === null || to === null || !(range > 0 && range <= longestRange)) {
    const message =
      'A page of ticks needs from and to as UTC times such as 2026-01-02T03:04:00Z, from before to, at most a day apart.';
    return context.html(errorPage(context, 'This range cannot be shown', message), 400);
  }
  const instrument = await dashboard.instrument(symbol);
  if (instrument === null) return context.notFound();
  const ticks = await dashboard.ticks(symbol, from, to, shownTicks + 1);
  const isCut = ticks.length > shownTicks;
  const shown = ticks.slice(0, shownTicks);
  const made = shown.filter(({ origin }) => origin === 'reconstructed').length;
  const title = `Ticks of ${symbol}`;
  return context.html(
    page({
      context,
      title,
      content: html`<div class="heading"><h1>Ticks of <a href="/instruments/${symbol}">${symbol}</a> ${simulatedBadge(instrument.is_simulated)}</h1>
        <p class="detail">observed from ${format.utc(from)} to before ${format.utc(to)}</p></div>
        <p>${
          isCut
            ? html`<strong>Cut: only the first ${format.count(shownTicks)} ticks of this time are shown.</strong>`
            : `${format.count(ticks.length)} ${ticks.length === 1 ? 'tick' : 'ticks'}.`
        }</p>
        ${made === 0 ? '' : html`<p class="detail">${format.count(made)} of ${format.count(shown.length)} ticks are reconstructed from the provider's candles: their prices are the provider's, their moments are not known.</p>`}
        ${tickTable(shown, instrument.price_precision)}`,
    }),
  );
}

export function instrumentScreen(dashboard: Dashboard): Hono {
  const routes = new Hono();
  routes.get('/instruments/:symbol', context => {
    const symbol = readSymbol(context.req.param('symbol'));
    return symbol === null ? context.notFound() : show(context, dashboard, symbol);
  });
  routes.get('/instruments/:symbol/ticks', context => {
    const symbol = readSymbol(context.req.param('symbol'));
    return symbol === null ? context.notFound() : showTicks(context, dashboard, symbol);
  });
  return routes;
}
