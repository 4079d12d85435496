import { type Context, Hono } from 'hono';
import { html } from 'hono/html';
import { assetUrl } from '../assets.ts';
import {
  age,
  freshness,
  madeOf,
  oldness,
  settling,
  simulatedBadge,
  verdictMark,
} from '../components.ts';
import type {
  Chart,
  ChartCandle,
  Dashboard,
  Indicator,
  IndicatorRow,
  TrackRecord,
  TrackRow,
  WatchlistRow,
} from '../dashboard.ts';
import * as format from '../format.ts';
import { type Html, page } from '../layout.ts';
import type { Topic } from '../live/events.ts';

const chartCandles = 300;
const tableCandles = 20;

/** The number in a URL, or null when it cannot be an indicator's. */
function readId(text: string | undefined): number | null {
  if (text === undefined || !/^[1-9]\d{0,9}$/.test(text)) return null;
  const id = Number(text);
  return id <= 2_147_483_647 ? id : null;
}

const nameOf = (symbol: string, indicator: Pick<IndicatorRow, 'label' | 'timeframe'>) =>
  `${symbol} ${indicator.label} ${indicator.timeframe}`;

function titleOf(symbol: string, indicator: IndicatorRow): string {
  const name = nameOf(symbol, indicator);
  if (indicator.verdict === null) return name;
  const { arrow, word } = format.verdictSigns(indicator.verdict);
  return `${arrow} ${word} · ${name}`;
}

/** A name such as `signal_line`, as a person reads it. */
const nameOfOutput = (name: string) => name.replaceAll('_', ' ');

function fact(name: string, content: unknown): Html {
  return html`<div><dt>${name}</dt><dd data-flash>${content}</dd></div>`;
}

function panel(
  symbol: string,
  row: IndicatorRow,
  { price, precision }: { price: number | null; precision: number },
  now: number,
): Html {
  const { state, strength, forecast } = row;
  return html`<section id="now" class="now" aria-label="Current verdict" ${freshness(row.bucket, row.width_seconds, state)} data-title="${titleOf(symbol, row)} · Foresight">
    <p class="large" data-verdict="${row.verdict ?? ''}" data-name="${nameOf(symbol, row)}">${verdictMark(row)} ${oldness(state)}</p>
    <dl class="facts">
      ${price === null ? '' : fact('Price', format.price(price, precision))}
      ${row.outputs.map(({ name, unit, value }) => fact(nameOfOutput(name), format.output(value, unit, precision)))}
      ${strength === null ? '' : fact('Strength', format.change(strength, 2))}
      ${forecast === null ? '' : fact(`Forecast, ${format.count(forecast.horizon)} × ${row.timeframe}`, `${format.price(forecast.low, precision)} to ${format.price(forecast.high, precision)}`)}
      ${fact('Bucket', format.utc(row.bucket))}
      ${fact('Candle', row.is_closed === null ? format.none : row.is_closed ? 'closed' : 'forming')}
      ${fact('Candles used', settling(row) ?? `${row.bars} of ${row.bars < row.bars_required ? row.bars_required : row.bars_window}`)}
      ${fact('Computed', age(row.computed_at, now, oldness(state)))}
    </dl>
  </section>`;
}

function find(rows: readonly WatchlistRow[], id: number) {
  for (const row of rows) {
    const indicator = row.indicators.find(({ indicator_id }) => indicator_id === id);
    if (indicator !== undefined) return { row, indicator };
  }
  return undefined;
}

function gone(): Html {
  return html`<section id="now" class="now"><p>This indicator is not active any more.</p></section>`;
}

/** What the stream of an indicator's page carries. */
export function indicatorTopic(query: (name: string) => string | undefined): Topic | null {
  const id = readId(query('id'));
  if (id === null) return null;
  return {
    key: `indicator ${id}`,
    source: 'watchlist',
    render(rows, now) {
      const found = find(rows, id);
      const whole = () =>
        String(
          found === undefined
            ? gone()
            : panel(found.row.symbol, found.indicator, quoteOf(found.row), now),
        );
      const signature = JSON.stringify([
        found?.indicator,
        found?.row.price,
        found?.row.observed_at,
      ]);
      return {
        id: 'now',
        shape: found === undefined ? 'gone' : 'now',
        whole,
        parts: new Map([['now', { signature, html: whole }]]),
      };
    },
  };
}

const quoteOf = (row: WatchlistRow) => ({ price: row.price, precision: row.price_precision });

function historyRow(indicator: Indicator, chart: Chart, candle: ChartCandle): Html {
  const { price_precision: precision } = indicator;
  const bucket = new Date(candle.time * 1_000).toISOString();
  const verdict = chart.verdicts.find(({ time }) => time === candle.time)?.verdict ?? null;
  const signs = verdict === null ? null : format.verdictSigns(verdict);
  return html`<tr>
    <th scope="row"><time datetime="${bucket}">${bucket.slice(0, 19).replace('T', ' ')}</time></th>
    <td class="num">${format.price(candle.open, precision)}</td>
    <td class="num">${format.price(candle.high, precision)}</td>
    <td class="num">${format.price(candle.low, precision)}</td>
    <td class="num">${format.price(candle.close, precision)}</td>
    ${chart.outputs.map(({ unit, points }) => {
      const point = points.find(({ time }) => time === candle.time);
      return html`<td class="num">${format.output(point?.value, unit, precision)}</td>`;
    })}
    <td>${signs === null ? format.none : html`<span class="verdict ${signs.tone}"><span class="arrow" aria-hidden="true">${signs.arrow}</span> ${signs.word} <span class="sign">${signs.sign}</span></span>`}</td>
    <td>${candle.is_closed ? 'closed' : html`<em>forming</em>`}</td>
    <td class="num">${madeOf(indicator.symbol, bucket, indicator.width_seconds, candle)}</td>
  </tr>`;
}

function history(indicator: Indicator, chart: Chart): Html {
  const candles = chart.candles.slice(-tableCandles).reverse();
  // Fetched anew when the stream says that something changed: the page itself, of which this is taken.
  return html`<section id="history" hx-get="/indicators/${indicator.indicator_id}" hx-select="#history"
    hx-swap="outerMorph" hx-trigger="changed from:#stream throttle:1s">
    <h2>Last ${tableCandles} candles <small>UTC, newest first</small></h2>
    ${
      candles.length === 0
        ? html`<p>No candles yet.</p>`
        : html`<div class="grid" tabindex="0" role="region" aria-label="Candles, scrolls sideways"><table>
      <thead><tr><th scope="col">Bucket</th><th scope="col" class="num">Open</th><th scope="col" class="num">High</th><th scope="col" class="num">Low</th><th scope="col" class="num">Close</th>
        ${chart.outputs.map(({ name }) => html`<th scope="col" class="num">${nameOfOutput(name)}</th>`)}
        <th scope="col">Verdict</th><th scope="col">Candle</th><th scope="col" class="num">Made of</th></tr></thead>
      <tbody>${candles.map(candle => historyRow(indicator, chart, candle))}</tbody>
    </table></div>`
    }
  </section>`;
}

function chartFigure(indicator: Indicator): Html {
  return html`<figure class="chart js-only" hidden>
    <p id="legend" class="legend" aria-hidden="true">&nbsp;</p>
    <div id="chart" hx-ignore role="img" aria-label="Candles with the outputs of ${indicator.label}; the table below has the same figures"
      data-source="/indicators/${indicator.indicator_id}/chart.json" data-library="${assetUrl('lightweight-charts.js')}"
      data-precision="${indicator.price_precision}" data-width="${indicator.width_seconds}"></div>
    <figcaption>Verdict changes are marked with arrows. Drag to scroll, wheel to zoom. <button type="button" id="latest">Jump to latest</button> <button type="button" id="fit">Fit all</button></figcaption>
  </figure>`;
}

function rule(indicator: Indicator): Html {
  const inputs = Object.entries(indicator.params ?? {});
  return html`<section aria-label="Rule"><h2>Rule</h2>
    <p class="rule">${indicator.rule ?? 'This kind of indicator has no rule written down.'}</p>
    ${indicator.closed_only ? html`<p class="detail">Reads closed candles only: there is no value for the candle that forms.</p>` : ''}
    ${indicator.definition ? html`<p class="detail">Definition: ${indicator.definition}</p>` : ''}
    <dl class="facts">
      ${inputs.map(([name, input]) => fact(name, typeof input === 'object' ? JSON.stringify(input) : String(input)))}
      ${fact('side', indicator.side)}${fact('timeframe', indicator.timeframe)}${fact('service', indicator.service)}
    </dl></section>`;
}

function trackRow(row: TrackRow): Html {
  const { horizon, edge_low: low, edge_high: high } = row;
  return html`<tr>
    <th scope="row">${horizon === 1 ? '1 candle' : `${format.count(horizon)} candles`} later, ${row.as_said ? 'as said' : 'as it is now'}</th>
    <td class="num">${format.count(row.verdicts)}</td>
    <td class="num">${format.count(row.neutral)}</td>
    <td class="num">${format.share(row.hit_rate)}</td>
    <td class="num">${format.share(row.base_rate)}</td>
    <td class="num">${low === null ? format.none : `${format.points(low)} to ${format.points(high)}`}</td>
    <td>${row.words}</td>
  </tr>`;
}

/**
 * Apart from the page, which is fetched anew with each candle: the record of all indicators goes into that of one.
 * It is taken from a page of its own, whose title this one does not take on.
 */
function trackOf(id: number, triggers: string, content: Html): Html {
  return html`<section id="track" aria-label="Track record" hx-get="/indicators/${id}/track" hx-select="#track"
    hx-swap="outerMorph ignoreTitle:true" hx-trigger="${triggers}">
    <h2>Track record</h2>
    ${content}
  </section>`;
}

function trackLink(id: number): Html {
  const link = html`<p class="rule"><a href="/indicators/${id}/track">Whether its verdicts were any good</a></p>`;
  return trackOf(id, 'load', link);
}

function track(id: number, { sentence, rows }: TrackRecord): Html {
  const compared = Math.max(0, ...rows.map(row => row.compared));
  const content = html`<p class="rule">${sentence}.</p>
    <p class="detail">A verdict was right when the price stood on its side so many candles later. The base rate is how often the price went that way in the same time, whatever was said: a verdict is worth something by what it is right more often. The difference, in percentage points, lies in its interval 19 times of 20.
      Evidence is what stays when all ${compared === 0 ? '' : html`${format.count(compared)} `}indicators of this timeframe are looked at together, since of many some look good by luck. As said: what was said when each candle closed, against the price seen then; as it is now: with late ticks, and for history too. None of it promises anything.</p>
    <div class="grid" tabindex="0" role="region" aria-label="Track record, scrolls sideways"><table>
      <thead><tr><th scope="col">Horizon</th><th scope="col" class="num">Verdicts</th><th scope="col" class="num">Neutral</th><th scope="col" class="num">Hit rate</th><th scope="col" class="num">Base rate</th><th scope="col" class="num">Difference</th><th scope="col">In words</th></tr></thead>
      <tbody>${rows.map(trackRow)}</tbody>
    </table></div>`;
  return trackOf(id, 'changed from:#stream throttle:60s', content);
}

function heading(indicator: Indicator): Html {
  return html`<div class="heading"><h1><a href="/instruments/${indicator.symbol}">${indicator.symbol}</a> ${indicator.label} <small>${indicator.timeframe} · ${indicator.side}</small> ${simulatedBadge(indicator.is_simulated)}</h1>
    <p class="detail">${indicator.description ?? indicator.source}</p></div>`;
}

const credits = html`<a href="https://www.tradingview.com/" rel="noopener">Charts by TradingView Lightweight Charts™</a>, copyright © 2025 TradingView, Inc.`;

async function show(context: Context, dashboard: Dashboard, id: number) {
  const [indicator, chart, rows] = await Promise.all([
    dashboard.indicator(id),
    dashboard.chart(id, null, tableCandles),
    dashboard.watchlist(),
  ]);
  if (indicator === null || chart === null) return context.notFound();
  const found = find(rows, id);
  const row = found?.indicator ?? indicator;
  return context.html(
    page({
      context,
      title: titleOf(indicator.symbol, row),
      stream: `page=indicator&id=${id}`,
      scripts: ['chart.js'],
      credits,
      content: html`${heading(indicator)}
        <div class="columns"><div>${panel(indicator.symbol, row, found === undefined ? { price: null, precision: indicator.price_precision } : quoteOf(found.row), Date.now())}
        ${rule(indicator)}</div>
        ${chartFigure(indicator)}</div>
        ${trackLink(id)}
        ${history(indicator, chart)}`,
    }),
  );
}

async function showTrack(context: Context, dashboard: Dashboard, id: number) {
  const [indicator, record] = await Promise.all([
    dashboard.indicator(id),
    dashboard.trackRecord(id),
  ]);
  if (indicator === null || record === null) return context.notFound();
  return context.html(
    page({
      context,
      title: `Track record · ${nameOf(indicator.symbol, indicator)}`,
      content: html`${heading(indicator)}
        ${track(id, record)}
        <p><a href="/indicators/${id}">${nameOf(indicator.symbol, indicator)}</a></p>`,
    }),
  );
}

async function showChart(context: Context, dashboard: Dashboard, id: number) {
  const from = context.req.query('from');
  if (from !== undefined && !/^\d{1,11}$/.test(from)) {
    return context.json({ error: 'from must be seconds since 1970' }, 400);
  }
  const fromTime = from === undefined ? null : new Date(Number(from) * 1_000).toISOString();
  const chart = await dashboard.chart(id, fromTime, chartCandles);
  if (chart === null) return context.json({ error: 'no such indicator' }, 404);
  context.header('Cache-Control', 'no-store');
  return context.json(chart);
}

export function indicatorScreen(dashboard: Dashboard): Hono {
  const routes = new Hono();
  routes.get('/indicators/:id/chart.json', async context => {
    const id = readId(context.req.param('id'));
    if (id === null) return context.json({ error: 'no such indicator' }, 404);
    return showChart(context, dashboard, id);
  });
  routes.get('/indicators/:id/track', async context => {
    const id = readId(context.req.param('id'));
    return id === null ? context.notFound() : showTrack(context, dashboard, id);
  });
  routes.get('/indicators/:id', async context => {
    const id = readId(context.req.param('id'));
    return id === null ? context.notFound() : show(context, dashboard, id);
  });
  return routes;
}
