import { Hono } from 'hono';
import { html } from 'hono/html';
import {
  age,
  deadFeed,
  freshness,
  oldness,
  quoteAge,
  settling,
  simulatedBadge,
  tabs,
  verdictMark,
} from '../components.ts';
import type { IndicatorRow, WatchlistRow } from '../dashboard.ts';
import * as format from '../format.ts';
import { type Html, page } from '../layout.ts';
import type { Part, Topic } from '../live/events.ts';
import { ratingCell } from '../ratings.ts';
import type { Reader } from '../reader.ts';
import { sparkline } from '../sparkline.ts';

const sorts = ['symbol', 'change', 'rating'] as const;

interface View {
  readonly sort: (typeof sorts)[number];
  readonly timeframe: string | null;
}

interface Shown {
  readonly columns: readonly Column[];
  readonly view: View;
  /** Otherwise it would be a column of dashes. */
  readonly hasRatings: boolean;
}

interface Column {
  readonly key: string;
  readonly label: string;
  readonly timeframe: string;
  readonly width: number;
}

/** Width of a candle of the trend. */
const trendSeconds = 900;
/** With more columns of indicators there is no room for words: arrow and sign say the same, the title says it whole. */
const mostColumnsWithWords = 5;

type Query = (name: string) => string | undefined;

function readView(query: Query): View {
  const timeframe = query('timeframe') ?? '';
  return {
    sort: sorts.find(sort => sort === query('sort')) ?? 'symbol',
    timeframe: /^[1-9][0-9]{0,3}[smhd]$/.test(timeframe) ? timeframe : null,
  };
}

function viewQuery(view: View): string {
  return new URLSearchParams({
    ...(view.sort === 'symbol' ? {} : { sort: view.sort }),
    ...(view.timeframe === null ? {} : { timeframe: view.timeframe }),
  }).toString();
}

const columnKey = (indicator: IndicatorRow) => `${indicator.label}\n${indicator.timeframe}`;

function columnsOf(rows: readonly WatchlistRow[], view: View): Column[] {
  const columns = new Map<string, Column>();
  for (const { label, timeframe, width_seconds, ...rest } of rows.flatMap(row => row.indicators)) {
    // Those of a set are behind its own column.
    if (!rest.is_own || (view.timeframe !== null && view.timeframe !== timeframe)) continue;
    const key = columnKey({ label, timeframe, width_seconds, ...rest });
    columns.set(key, { key, label, timeframe, width: width_seconds });
  }
  return [...columns.values()].sort(
    (a, b) => a.width - b.width || a.label.localeCompare(b.label, 'en'),
  );
}

const shownOf = (rows: readonly WatchlistRow[], view: View): Shown => ({
  columns: columnsOf(rows, view),
  view,
  hasRatings: rows.some(row => ratingsOf(row, view).length > 0),
});

function sorted(rows: readonly WatchlistRow[], view: View): WatchlistRow[] {
  const bySymbol = [...rows].sort((a, b) => a.symbol.localeCompare(b.symbol, 'en'));
  if (view.sort === 'symbol') return bySymbol;
  const weight = (row: WatchlistRow) =>
    (view.sort === 'change' ? row.change_percent : meanRating(row, view)) ??
    Number.NEGATIVE_INFINITY;
  const weights = new Map(bySymbol.map(row => [row, weight(row)]));
  return bySymbol.sort((a, b) => {
    const [x, y] = [weights.get(a) ?? 0, weights.get(b) ?? 0];
    return x === y ? 0 : y - x;
  });
}

const ratingsOf = (row: WatchlistRow, view: View) =>
  row.ratings.filter(each => view.timeframe === null || view.timeframe === each.timeframe);

function meanRating(row: WatchlistRow, view: View): number | null {
  const known = ratingsOf(row, view).flatMap(({ rating, state }) =>
    rating === null || state !== 'live' ? [] : [rating],
  );
  return known.length === 0 ? null : known.reduce((sum, each) => sum + each, 0) / known.length;
}

function verdictCell(indicator: IndicatorRow, precision: number): Html {
  const { state, outputs } = indicator;
  const [value] = outputs;
  const unsettled = settling(indicator);
  return html`<a class="cell" href="/indicators/${indicator.indicator_id}" title="${titleOf(indicator)}" ${freshness(indicator.bucket, indicator.width_seconds, state)} data-verdict="${indicator.verdict ?? ''}">${verdictMark(
    indicator,
  )}<span class="detail ${unsettled === null ? '' : 'unsettled'}">${value === undefined || value.value === null ? '' : format.output(value.value, value.unit, precision)} ${oldness(state)}${
    indicator.is_closed === false
      ? html`<span class="forming"><span class="word">forming</span></span>`
      : ''
  }</span>${unsettled === null ? '' : html`<span class="detail word">${unsettled}</span>`}</a>`;
}

/** All that a narrow cell may leave out. */
function titleOf(indicator: IndicatorRow): string {
  const { label, timeframe, verdict, absence, is_closed } = indicator;
  const word =
    verdict === null ? (absence?.words ?? 'no verdict') : format.verdictSigns(verdict).word;
  return [
    `${label} · ${timeframe}: ${word}`,
    ...(is_closed === false ? ['its candle still forms'] : []),
    ...[settling(indicator)].filter(text => text !== null),
  ].join(', ');
}

function indicatorCell(row: WatchlistRow, column: Column): Html {
  const found = row.indicators.filter(each => each.is_own && columnKey(each) === column.key);
  return html`<td data-label="${column.label} · ${column.timeframe}" data-flash>${
    found.length === 0
      ? html`<span class="none" title="not computed for this instrument">${format.none}</span>`
      : found.map(indicator => verdictCell(indicator, row.price_precision))
  }</td>`;
}

function quoteCells(row: WatchlistRow, now: number): Html {
  const { price_precision: precision, state } = row;
  const tone = (row.change ?? 0) > 0 ? 'up' : (row.change ?? 0) < 0 ? 'down' : 'flat';
  const fresh = freshness(row.observed_at, row.interval_seconds, state);
  const quoted = freshness(row.quoted_at, row.interval_seconds, row.quote_state);
  return html`<td class="num price" ${fresh} data-label="Price" data-flash><span class="figure">${format.price(row.price, precision)}</span><span class="detail">${age(row.observed_at, now, oldness(state, deadFeed(row)))}</span></td>
    <td class="num quote" ${quoted} data-label="Bid / ask" data-flash><span>${format.price(row.bid, precision)}</span><span>${format.price(row.ask, precision)}</span>${quoteAge(row, now)}</td>
    <td class="num change ${tone}" ${fresh} data-label="Since 00:00 UTC" data-flash><span>${format.change(row.change, precision)}</span><span>${format.percent(row.change_percent)}</span></td>`;
}

function ratingCells(row: WatchlistRow, view: View): Html {
  const found = ratingsOf(row, view);
  return html`<td class="rating" data-label="Rating" data-flash>${
    found.length === 0
      ? html`<span class="none" title="not computed for this instrument">${format.none}</span>`
      : found.map(rating => ratingCell(row.symbol, rating))
  }</td>`;
}

function tableRow(row: WatchlistRow, { columns, view, hasRatings }: Shown, now: number): Html {
  return html`<tr id="row-${row.instrument_id}" data-text="${`${row.symbol} ${row.description ?? ''}`.toLowerCase()}">
    <th scope="row"><a href="/instruments/${row.symbol}">${row.symbol}</a> ${simulatedBadge(row.is_simulated)}<span class="detail" title="${row.description ?? ''}">${row.description ?? row.source}</span></th>
    ${quoteCells(row, now)}
    <td class="trend" ${freshness(row.observed_at, trendSeconds, row.state)} data-label="Trend">${sparkline(row.sparkline ?? [], row.price_precision)}</td>
    ${hasRatings ? ratingCells(row, view) : ''}
    ${columns.map(column => indicatorCell(row, column))}
  </tr>`;
}

function sortHeader(view: View, sort: View['sort'], name: string): Html {
  const isCurrent = view.sort === sort;
  const direction = sort === 'symbol' ? 'ascending' : 'descending';
  return html`<a href="/?${viewQuery({ ...view, sort })}" ${
    isCurrent ? html`aria-current="true"` : ''
  }>${name}${isCurrent ? html` <span aria-hidden="true">${direction === 'ascending' ? '↑' : '↓'}</span>` : ''}</a>`;
}

function tableHead({ columns, view, hasRatings }: Shown): Html {
  const aria = (sort: View['sort']) =>
    view.sort !== sort ? '' : html`aria-sort="${sort === 'symbol' ? 'ascending' : 'descending'}"`;
  return html`<thead><tr>
    <th scope="col" ${aria('symbol')}>${sortHeader(view, 'symbol', 'Instrument')}</th>
    <th scope="col" class="num">Price</th>
    <th scope="col" class="num quote">Bid<br>Ask</th>
    <th scope="col" class="num" ${aria('change')}>${sortHeader(view, 'change', 'Change')}<span class="detail">since 00:00 UTC</span></th>
    <th scope="col">Trend<span class="detail">30 × 15m</span></th>
    ${hasRatings ? html`<th scope="col" ${aria('rating')}>${sortHeader(view, 'rating', 'Rating')}<span class="detail">mean of votes</span></th>` : ''}
    ${columns.map(column => html`<th scope="col" title="${column.label} · ${column.timeframe}"><span class="label">${column.label}</span><span class="detail">${column.timeframe}</span></th>`)}
  </tr></thead>`;
}

function timeframeTabs(rows: readonly WatchlistRow[], view: View): Html | '' {
  const widths = new Map(
    rows.flatMap(row => row.indicators.map(each => [each.timeframe, each.width_seconds] as const)),
  );
  if (widths.size < 2) return '';
  const used = [...widths].sort(([, a], [, b]) => a - b).map(([name]) => name);
  const choices = [null, ...used];
  return tabs(
    'Timeframe of the indicators',
    choices.map(timeframe => ({
      name: timeframe ?? 'all',
      href: `/?${viewQuery({ ...view, timeframe })}`,
      isCurrent: view.timeframe === timeframe,
    })),
    true,
  );
}

function emptyState(): Html {
  return html`<div class="empty">
    <h2>No instruments yet</h2>
    <p>Those of a source appear here by themselves as soon as their history is there, as does one from psql:</p>
    <pre><code>select feed.add_instrument('EUR_USD', 'manual');</code></pre>
  </div>`;
}

function watchlist(rows: readonly WatchlistRow[], view: View, now: number): Html {
  const shown = shownOf(rows, view);
  const isDense = shown.columns.length > mostColumnsWithWords;
  if (rows.length === 0) return html`<section id="watchlist">${emptyState()}</section>`;
  return html`<section id="watchlist">
    ${timeframeTabs(rows, view)}
    <div class="grid" tabindex="0" role="region" aria-label="Watchlist, scrolls sideways">
      <table class="market ${isDense ? 'dense' : ''}">
        ${tableHead(shown)}
        <tbody>${sorted(rows, view).map(row => tableRow(row, shown, now))}</tbody>
      </table>
    </div>
    ${isDense ? html`<p class="marks" aria-hidden="true">… its candle still forms · ≈ it still settles, as there are fewer candles than it looks back at</p>` : ''}
  </section>`;
}

function rowPart(row: WatchlistRow, shown: Shown, now: number): Part {
  return {
    // Ages are left out: they grow in the browser, and would make every row change every second.
    signature: JSON.stringify(row),
    html: () => String(tableRow(row, shown, now)),
  };
}

/** What the stream of the market page carries. */
export function marketTopic(query: Query): Topic {
  const view = readView(query);
  return {
    key: `market ${viewQuery(view)}`,
    source: 'watchlist',
    render(rows, now) {
      const shown = shownOf(rows, view);
      const order = sorted(rows, view);
      return {
        id: 'watchlist',
        shape: JSON.stringify([order.map(row => row.instrument_id), shown]),
        whole: () => String(watchlist(rows, view, now)),
        parts: new Map(
          order.map(row => [`row-${row.instrument_id}`, rowPart(row, shown, now)] as const),
        ),
      };
    },
  };
}

export function marketScreen(dashboard: Pick<Reader, 'latest'>): Hono {
  const routes = new Hono();
  routes.get('/', async context => {
    const view = readView(name => context.req.query(name));
    const { answer: rows, fault } = await dashboard.latest('watchlist');
    return context.html(
      page({
        context,
        title: 'Market',
        stream: `page=market&${viewQuery(view)}`,
        fault,
        content: html`<div class="heading"><h1>Market</h1>
          <label class="filter js-only" hidden>Filter <input id="filter" type="search" placeholder="symbol or name" autocomplete="off" aria-keyshortcuts="/"></label>
        </div>
        ${watchlist(rows, view, Date.now())}`,
      }),
    );
  });
  return routes;
}
