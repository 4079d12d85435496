import { pino } from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createApp } from './app.ts';
import type { Chart, WatchlistRow } from './dashboard.ts';
import { createEvents, type Events } from './live/events.ts';
import { createFixture, type Fixture, hostile } from './tests/fixture.ts';

let fixture: Fixture;
let events: Events;
let app: ReturnType<typeof createApp>;
let log: string[];

beforeEach(() => {
  fixture = createFixture();
  log = [];
  const logger = pino({ level: 'debug' }, { write: (line: string) => void log.push(line) });
  events = createEvents({ dashboard: fixture.dashboard, logger });
  app = createApp({ dashboard: fixture.dashboard, events, logger });
});

afterEach(() => events.close());

async function get(path: string, headers: Record<string, string> = {}) {
  const response = await app.request(path, { headers });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The text as a reader sees it: without tags, with one space where there were many. */
const readable = (html: string) =>
  html
    .replace(/<(script|style|svg)[\s\S]*?<\/\1>/g, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ');

test('the market page is readable without JavaScript: prices, changes, verdicts in words', async () => {
  const { status, text } = await get('/?sort=change');
  expect(status).toBe(200);
  const words = readable(text);
  expect(words).toMatch(
    /EUR_USD simulated Euro against US dollar 1\.08455 \d+ s 1\.08450 1\.08460 \+0\.00120 \+0\.11 %/,
  );
  expect(words).toContain('▲ bullish +1');
  expect(words).toContain('■ neutral 0');
  expect(words).toContain('▼ bearish −1');
  expect(words).toContain('warming up 12 of 31, about 14:35 UTC');
  expect(text).toContain('<noscript><a href="/?sort=change">Refresh</a></noscript>');
  expect(text).toContain('href="/indicators/1"');
});

test('columns are indicators by label and timeframe, and a dash where an instrument has none', async () => {
  const words = readable((await get('/')).text);
  expect(words).toContain('MA cross 10/30 1m RSI 14 5m Drift 100 1h');
  expect(words).toMatch(/BTC_USD .*▼ bearish −1 −41\.2 forming —/);
});

test('the market page shows only the columns of the chosen timeframe', async () => {
  const { text } = await get('/?timeframe=5m');
  expect(text).not.toContain('data-label="MA cross 10/30 · 1m"');
  expect(text).toContain('data-label="RSI 14 · 5m"');
});

test('the market page sorts by change and ignores an order it does not know', async () => {
  const order = (html: string) =>
    [...html.matchAll(/href="\/instruments\/([A-Z_]+)"/g)].map(m => m[1]);
  expect(order((await get('/?sort=change')).text)).toEqual(['EUR_USD', 'BTC_USD', 'USD_JPY']);
  expect(order((await get('/?sort=%27;--')).text)).toEqual(['BTC_USD', 'EUR_USD', 'USD_JPY']);
});

test('bid and ask say how old they are where the newest tick is a trade', async () => {
  expect(readable((await get('/instruments/EUR_USD')).text)).toContain('Bid 1.08450 Ask 1.08460 ');
  const quoted_at = new Date(Date.now() - 200_000).toISOString();
  fixture.rows = fixture.rows.map(row => ({ ...row, quoted_at, quote_state: 'stale' }));
  expect(readable((await get('/')).text)).toMatch(
    /EUR_USD .* 1\.08455 \d+ s 1\.08450 1\.08460 3 min stale \+0\.00120 /,
  );
  expect(readable((await get('/instruments/EUR_USD')).text)).toContain(
    'Bid 1.08450 3 min stale Ask 1.08460 3 min stale ',
  );
});

test('old data says so in words', async () => {
  fixture.rows = fixture.rows.map(row => ({
    ...row,
    state: row.observed_at === null ? 'absent' : 'dead',
    indicators: row.indicators.map(each => ({ ...each, state: 'stale' })),
  }));
  const words = readable((await get('/')).text);
  expect(words).toMatch(/ \d+ s dead feed /);
  expect(words).toContain('▲ bullish +1 0.00012 stale');
});

test('the market page shows ratings in words, with how many votes they are of, and links to these', async () => {
  const { text } = await get('/');
  const words = readable(text);
  expect(words).toContain('▲▲ strong buy 1m · +0.62 · 24 of 26 votes');
  expect(words).toContain('▼ sell 1h · −0.30 · 26 of 26 votes');
  expect(words).toContain('■ neutral 1m · −0.05 · 24 of 26 votes stale');
  expect(words).toContain('no votes yet 1m · 0 of 26 votes');
  expect(text).toContain('href="/instruments/EUR_USD/rating?timeframe=1h&amp;side=mid"');
  const hours = readable((await get('/?timeframe=1h')).text);
  expect(hours).toContain('▼ sell 1h');
  expect(hours).not.toContain('strong buy');
});

test('the market page sorts by rating, and has no column for what nobody has', async () => {
  const { text } = await get('/?sort=rating');
  const order = [...text.matchAll(/href="\/instruments\/([A-Z_]+)"/g)].map(m => m[1]);
  expect(order).toEqual(['EUR_USD', 'BTC_USD', 'USD_JPY']);
  expect(text).toContain('aria-sort="descending"');
  fixture.rows = fixture.rows.map(row => ({ ...row, ratings: [] }));
  expect(readable((await get('/')).text)).not.toContain('Rating');
});

test('indicators that are only of a set have no column of their own', async () => {
  fixture.rows = fixture.rows.map(row => ({
    ...row,
    indicators: row.indicators.map(each => ({ ...each, is_own: each.kind !== 'rsi' })),
  }));
  expect((await get('/')).text).not.toContain('RSI 14');
  expect(readable((await get('/instruments/EUR_USD')).text)).not.toContain('RSI 14');
  expect((await get('/indicators/2')).status).toBe(200);
});

test('the page of a rating has its groups, its votes with their values, and the formula in words', async () => {
  const { status, text } = await get('/instruments/EUR_USD/rating?timeframe=1m');
  expect(status).toBe(200);
  const words = readable(text);
  expect(words).toContain('▲▲ strong buy +0.62');
  expect(words).toContain('Moving averages ▲▲ strong buy +0.90 Oscillators ▲ buy +0.34');
  expect(words).toContain('Votes counted 24 of 26 Buy 16 Neutral 7 Sell 1');
  expect(words).toContain('SMA 10 1.08431 ▲ buy 1 Bullish while');
  expect(words).toContain('EMA 200 — warming up 90 of 200 1');
  expect(words).toContain('RSI 14 71.20 ▼ sell without weight 0');
  expect(words).toContain('Python 14 — not computed 2 —');
  expect(words).toContain('Beyond ±0.5 it is strong');
  expect(words).toMatch(/:00 ■ neutral \+0\.10 \+0\.20 0\.00 9 10 5 24 of 26/);
  expect(text).toContain('<a href="/indicators/1">SMA 10</a>');
  expect(text).toContain('aria-label="Rating: strong buy, +0.62 from −1 to +1"');
  expect(text).toContain('<title>▲▲ strong buy · EUR_USD rating 1m · Foresight</title>');
  const none = readable((await get('/instruments/USD_JPY/rating?timeframe=1m&side=mid')).text);
  expect(none).toContain('no votes yet');
});

test.each([
  '/instruments/EUR_USD/rating',
  '/instruments/EUR_USD/rating?timeframe=5m',
  '/instruments/EUR_USD/rating?timeframe=1m&side=bid',
  '/instruments/EUR_USD/rating?timeframe=1m&side=offer',
  '/instruments/NOBODY/rating?timeframe=1m',
  '/events?page=rating&symbol=EUR_USD&timeframe=1m',
  '/events?page=rating&symbol=eur&timeframe=1m&side=mid',
])('there is no rating at %s', async path => {
  expect((await get(path)).status).toBe(404);
});

test('a market without instruments shows the command that adds one', async () => {
  fixture.rows = [];
  const { text } = await get('/');
  expect(text).toContain("select feed.add_instrument('EUR_USD', 'manual');");
});

test.each(['/', '/instruments/BTC_USD', '/indicators/3', '/status'])(
  'a hostile description is only text on %s',
  async path => {
    const { text } = await get(path);
    expect(text).not.toContain(hostile);
    expect(text).not.toContain('<img');
    expect(text).toContain('&lt;img src=x onerror=&quot;alert(1)&quot;&gt;');
  },
);

test('the indicator page has verdict, rule, inputs and a table that links to the ticks', async () => {
  const { text } = await get('/indicators/1');
  const words = readable(text);
  expect(words).toContain('▲ bullish +1');
  expect(words).toContain('Bullish while the fast average is above the slow one');
  expect(words).toContain('difference 0.00012 fast 1.08461 slow 1.08449 Strength +0.42');
  expect(words).toContain('Definition: Murphy, ');
  expect(words).not.toContain('closed candles only');
  expect(words).toContain('31 of 31');
  expect(words).toContain('Charts by TradingView Lightweight Charts™');
  expect(text.match(/href="\/instruments\/EUR_USD\/ticks\?from=/g)).toHaveLength(20);
  expect(words).toContain('238 ticks 8 reconstructed');
  expect(words.match(/reconstructed/g)).toHaveLength(1);
  expect(text).toContain('<title>▲ bullish · EUR_USD MA cross 10/30 1m · Foresight</title>');
});

test('the track record says a sentence, and beside it what it follows from', async () => {
  const { text } = await get('/indicators/1');
  expect(text).toContain('<a href="/indicators/1/track">Whether its verdicts were any good</a>');
  expect(fixture.calls.trackRecord).toBe(0);
  const record = await get('/indicators/1/track');
  const words = readable(record.text);
  expect(words).toContain('Of values as they are now, as too few were said live yet: 5 candles');
  expect(words).toContain('all 96 indicators of this timeframe');
  expect(words).toContain(
    '1 candle later, as said 12 2 50.0 % 48.8 % — too few verdicts yet, 12 of 100',
  );
  expect(words).toContain(
    '5 candles later, as it is now 2,410 390 55.1 % 50.2 % +2.7 to +7.1 evidence that it beats chance',
  );
  expect(record.text).toContain('<a href="/indicators/1">EUR_USD MA cross 10/30 1m</a>');
});

test('an indicator is shown in its own unit, and says while it settles', async () => {
  const words = readable((await get('/indicators/2')).text);
  expect(words).toContain('■ neutral 0');
  expect(words).toContain('rsi 54.21 Strength 0.00');
  expect(words).toContain('Candles used settling 40 of 406');
  expect(readable((await get('/')).text)).toContain('■ neutral 0 54.21 forming settling 40 of 406');
});

test('a forecast says how far it reaches, and who computes it from which candles', async () => {
  const words = readable((await get('/indicators/5')).text);
  expect(words).toContain('expected price 64,300.0');
  expect(words).toContain('Forecast, 12 × 1h 63,100.0 to 65,500.0');
  expect(words).toContain('Reads closed candles only');
  expect(words).toContain('service models');
});

test('an indicator without a verdict says why, wherever it stands', async () => {
  const [row] = fixture.rows;
  const [indicator] = row?.indicators ?? [];
  const words = 'no mid prices, only last <b>';
  const none = {
    ...indicator,
    ...{ verdict: null, strength: null, outputs: [], bucket: null, bars: 0, state: 'absent' },
    absence: { reason: 'no_side', words },
  };
  fixture.rows = [{ ...row, indicators: [none] } as WatchlistRow];
  for (const path of ['/', '/indicators/1', '/instruments/EUR_USD']) {
    const { text } = await get(path);
    expect(text, path).toContain('no mid prices, only last &lt;b&gt;');
  }
  expect(readable((await get('/indicators/1')).text)).toContain('Candles used 0 of 31');
});

const chartOf = async (path: string) => (await (await app.request(path)).json()) as Chart;

test('chart data is JSON and starts where it is asked to', async () => {
  const all = await chartOf('/indicators/1/chart.json');
  expect(all.candles).toHaveLength(300);
  const from = all.candles.at(-2)?.time ?? 0;
  const few = await chartOf(`/indicators/1/chart.json?from=${from}`);
  expect(few.candles.map(candle => candle.time)).toEqual([from, from + 60]);
  for (const wrong of ['x', '-1', '1e9', '999999999999', '1;--']) {
    expect((await get(`/indicators/1/chart.json?from=${wrong}`)).status).toBe(400);
  }
});

test('the instrument page has candles of each timeframe and side in its URL', async () => {
  const { text } = await get('/instruments/EUR_USD?timeframe=5m&side=bid');
  for (const timeframe of ['1s', '1m', '5m', '15m', '1h', '4h', '1d']) {
    expect(text).toContain(`/instruments/EUR_USD?timeframe=${timeframe}&amp;side=bid`);
  }
  expect(readable(text)).toContain('forming');
  expect(readable((await get('/instruments/EUR_USD?timeframe=1d')).text)).toContain(
    'No mid candles of 1d',
  );
});

test('the ticks behind a candle are shown up to a thousand, and it says when that cuts them', async () => {
  const few = await get(
    '/instruments/EUR_USD/ticks?from=2026-01-02T00:00:00Z&to=2026-01-02T00:01:00Z',
  );
  expect(readable(few.text)).toContain('3 ticks.');
  expect(readable(few.text)).toContain(
    "1 of 3 ticks are reconstructed from the provider's candles",
  );
  expect(readable(few.text).match(/ heard/g)).toHaveLength(2);
  const many = await get(
    '/instruments/EUR_USD/ticks?from=2020-01-02T00:00:00Z&to=2020-01-02T00:01:00Z',
  );
  expect(readable(many.text)).toContain('Cut: only the first 1,000 ticks');
  expect(many.text.match(/<tr>/g)).toHaveLength(1_001);
});

test.each([
  'from=2026-01-02T00:00:00Z',
  'from=2026-01-02T00:00:00Z&to=2026-01-02T00:00:00Z',
  'from=2026-01-02T00:01:00Z&to=2026-01-02T00:00:00Z',
  'from=2026-01-02T00:00:00Z&to=2026-01-03T00:00:01Z',
  'from=infinity&to=now',
  'from=2026-99-02T00:00:00Z&to=2026-01-03T00:00:00Z',
])('a range of ticks that makes no sense is refused: %s', async query => {
  const { status } = await get(`/instruments/EUR_USD/ticks?${query}`);
  expect(status).toBe(400);
  expect(fixture.calls.ticks).toBe(0);
});

test.each([
  '/nothing',
  '/indicators/999',
  '/indicators/0',
  '/indicators/1.5',
  '/indicators/99999999999999',
  '/indicators/2147483648',
  '/indicators/999/chart.json',
  '/indicators/999/track',
  '/instruments/NOPE',
  '/instruments/eur_usd',
  '/instruments/%3Cscript%3E',
  '/instruments/A%00B',
  '/instruments/%ff',
  '/instruments/..%2f..%2fetc',
  `/instruments/${'A'.repeat(33)}`,
  '/instruments/EUR_USD?timeframe=2m',
  '/instruments/EUR_USD?side=middle',
  '/instruments/EUR_USD?timeframe=constructor',
  '/events?page=nothing',
  '/events?page=constructor',
  '/events?page=indicator&id=x',
  '/static/main.ts',
  '/static/..%2fmain.ts',
  '/static/%2e%2e/main.ts',
  '/node_modules/htmx.org/package.json',
])('%s is not found', async path => {
  expect((await get(path)).status).toBe(404);
});

test('an unwritten symbol or id asks the database nothing', async () => {
  await get('/instruments/%3Cscript%3E');
  await get('/indicators/1e3');
  expect(fixture.calls.instrument + fixture.calls.indicator).toBe(0);
});

test('every answer carries the strict policy, and no page needs more than it', async () => {
  for (const path of [
    '/',
    '/indicators/1',
    '/instruments/EUR_USD',
    '/status',
    '/nothing',
    '/static/page.js',
  ]) {
    const { headers, text } = await get(path);
    expect(headers.get('Content-Security-Policy')).toBe(
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    );
    expect(headers.get('X-Content-Type-Options')).toBe('nosniff');
    if (path.startsWith('/static')) continue;
    expect(text).not.toMatch(/<script(?![^>]* src=)/);
    expect(text).not.toMatch(/<style|\sstyle="|\son[a-z]+="|hx-on|javascript:/);
  }
});

test('the theme of the cookie is in the first byte, and an unknown one is not', async () => {
  expect((await get('/', { Cookie: 'theme=dark' })).text).toContain(
    '<html lang="en" data-theme="dark">',
  );
  expect((await get('/', { Cookie: 'theme="><script>' })).text).toContain('<html lang="en" >');
});

test('files are cached for a year under the URL with their version only', async () => {
  const { text } = await get('/');
  const urls = [...text.matchAll(/(?:src|href)="(\/static\/[^"]+)"/g)].map(match => match[1] ?? '');
  expect(urls).toHaveLength(3);
  for (const url of urls) {
    const { status, headers } = await get(url);
    expect(status).toBe(200);
    expect(headers.get('Cache-Control')).toContain('immutable');
  }
  expect((await get('/static/style.css')).headers.get('Cache-Control')).toBe('no-cache');
  const tag = (await get('/static/style.css')).headers.get('ETag') ?? '';
  expect((await get('/static/style.css', { 'If-None-Match': tag })).status).toBe(304);
});

test('a failing database gives a calm page: no stack, no SQL, no secret', async () => {
  const refused = new Error('relation "secret" at postgres://user:password@host/db');
  fixture.failure = Object.assign(refused, { name: 'PostgresError', code: '42P01' });
  const { status, text } = await get('/');
  expect(status).toBe(500);
  expect(text).not.toMatch(/secret|password|at .*\.ts/);
  expect(readable(text)).toContain('This page cannot be shown now');
  expect(log.join()).toContain('request failed');
  expect(log.join()).toContain(/request ([0-9a-f]{8})/.exec(text)?.[1]);
});

test('a question that takes too long, while others are answered, is none of ours: come again', async () => {
  const slow = new Error('canceling statement due to statement timeout');
  fixture.failure = Object.assign(slow, { name: 'PostgresError', code: '57014' });
  const { status, headers, text } = await get('/');
  expect(status).toBe(503);
  expect(headers.get('Retry-After')).toBe('5');
  expect(readable(text)).toContain('The database took too long for this page. Try again.');
});

const away =
  /The database does not answer\. Its last answer came at \d{4}-\d\d-\d\d [\d:]{8} UTC\. What you see is of \d{4}-\d\d-\d\d [\d:]{8} UTC\./;

test('a silent database: pages show what was last known, and say since when', async () => {
  const known = readable((await get('/')).text);
  await get('/status');
  fixture.isSilent = true;
  await expect(fixture.dashboard.beat('here', 1)).rejects.toThrow('no answer');
  for (const path of ['/', '/status']) {
    const { status, text } = await get(path);
    expect(status).toBe(200);
    expect(text).toMatch(/<p id="fault" class="fault" role="alert" >/);
    expect(readable(text)).toMatch(away);
  }
  expect(readable((await get('/')).text)).toContain(
    /EUR_USD simulated .*? 1\.08455/.exec(known)?.[0],
  );
  for (const path of ['/indicators/1', '/instruments/EUR_USD', '/indicators/1/chart.json']) {
    const { status, headers, text } = await get(path);
    expect(status).toBe(503);
    expect(headers.get('Retry-After')).toBe('5');
    expect(text).toContain('The database does not answer. Its last answer came at ');
  }
  fixture.isSilent = false;
  expect((await get('/')).text).toContain('role="alert" hidden></p>');
});

test('without anything known, a silent database is a page that says so', async () => {
  fixture.isSilent = true;
  await expect(fixture.dashboard.beat('here', 1)).rejects.toThrow('no answer');
  const { status, text } = await get('/');
  expect(status).toBe(503);
  expect(readable(text)).toMatch(/This page cannot be shown now The database does not answer\./);
});

test('the status page names the faults', async () => {
  const words = readable((await get('/status')).text);
  expect(words).toContain('✗ 1 fault process publish is not running');
  expect(words).toContain('TimescaleDB 2.28.3');
  expect(words).toMatch(
    /classical The catalogue ● running \d+ s here 4711 foresight-classical 12 0 7 \d+ s 2 /,
  );
  expect(words).toMatch(
    /models Forecasts \(closed candles only\) ○ not running — — foresight-models 1 31 0 1 min 0 /,
  );
  expect(words).toContain('120,431');
});

test('healthz answers while the database is down, readyz does not', async () => {
  fixture.status = { ...fixture.status, is_healthy: true, faults: [] };
  expect(await get('/readyz')).toMatchObject({ status: 200, text: 'ready\n' });
  fixture.status = { ...fixture.status, is_healthy: false, faults: ['one', 'two'] };
  expect(await get('/readyz')).toMatchObject({ status: 503, text: 'one\ntwo\n' });
  fixture.failure = new Error('secret');
  expect(await get('/readyz')).toMatchObject({
    status: 503,
    text: 'the database cannot be read\n',
  });
  expect(await get('/healthz')).toMatchObject({ status: 200, text: 'up\n' });
});

test('readyz gives up on a silent database after a second', async () => {
  const silent = { ...fixture.dashboard, status: () => new Promise<never>(() => undefined) };
  const slow = createApp({ dashboard: silent, events, logger: pino({ level: 'silent' }) });
  const began = performance.now();
  const response = await slow.request('/readyz');
  expect(response.status).toBe(503);
  expect(await response.text()).toBe('the database does not answer within 1 s\n');
  expect(performance.now() - began).toBeLessThan(3_000);
});
