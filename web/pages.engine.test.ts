import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Sql } from '../db/runtime/database.ts';
import { addInstrument, describeOnEngine } from '../tests/support/database.ts';
import { addIndicator, catchUp, kindOf, registerCatalog } from '../tests/support/indicators.ts';
import { tickOf } from '../tests/support/ticks.ts';
import { createServiceStore } from '../workers/indicators/service.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { createApp } from './app.ts';
import { createDashboard, sides } from './dashboard.ts';
import { createEvents, type Events } from './live/events.ts';
import { createListener, type Listener } from './live/listener.ts';
import { createReader, type Reader } from './reader.ts';

const logger = pino({ level: 'silent' });

/** On connections that a test brings, however busy the machine is. */
const readerOf = (sql: Sql) =>
  createReader({
    open: () => ({ ...createDashboard(sql), close: () => undefined }),
    logger,
    patience: 30_000,
    giveUpAfter: 60_000,
  });

describeOnEngine('the pages on a real database', database => {
  let app: ReturnType<typeof createApp>;
  let dashboard: Reader;
  let events: Events;
  let listener: Listener;
  let symbol: string;
  let notified = 0;

  beforeAll(async () => {
    dashboard = readerOf(database.as('foresight_web'));
    events = createEvents({ dashboard, logger, rereadInterval: 200 });
    listener = createListener({
      open: () => database.as('foresight_web'),
      logger,
      onNotify: () => {
        notified += 1;
        events.notify();
      },
      isNeeded: () => true,
      heartbeatInterval: 50,
    });
    app = createApp({ dashboard, events, logger });
    symbol = await addInstrument(database.sql);
    await insertTick(1.25);
  });
  afterAll(async () => {
    events.close();
    await listener.close();
  });

  /** As an operator would in psql. */
  const insertTick = (bid: number) => database.sql`
    insert into feed.ticks (instrument_id, observed_at, bid, ask)
    select instrument_id, clock_timestamp(), ${bid}::float8, ${bid + 0.001}::float8
    from feed.instruments where symbol = ${symbol}`;

  const text = async (path: string) => {
    const response = await app.request(path);
    return { status: response.status, body: await response.text() };
  };

  test('a tick inserted by hand is on the market page', async () => {
    const { status, body } = await text('/');
    expect(status).toBe(200);
    expect(body).toContain(symbol);
    expect(body).toContain('1.25000');
  });

  test('each page of the instrument answers, with the role of the web process', async () => {
    const pages = [
      '',
      '?timeframe=1s&side=bid',
      '?timeframe=1d&side=ask',
      '?timeframe=4h&side=last',
    ];
    for (const query of pages)
      expect((await text(`/instruments/${symbol}${query}`)).status).toBe(200);
    const [candle] = await dashboard.candles(symbol, '1m', 'bid', 10);
    const from = new Date(Date.parse(candle?.bucket ?? '')).toISOString();
    const to = new Date(Date.parse(from) + 60_000).toISOString();
    const { body } = await text(`/instruments/${symbol}/ticks?from=${from}&to=${to}`);
    expect(body).toContain('1.25000');
  });

  test('the status page and readyz tell what is wrong', async () => {
    await database.sql`select alert.add('The page is ill', 'fault', fault => 'process', queue => 'ill')`;
    const page = (await text('/status')).body;
    expect(page).toContain('process ingest is not running');
    expect(page).toContain('The page is ill');
    const { status, body } = await text('/readyz');
    expect(status).toBe(503);
    expect(body).toContain('process ingest is not running');
  });

  test('absent rows are 404', async () => {
    expect((await text('/indicators/2147483647')).status).toBe(404);
    expect((await text('/indicators/2147483647/chart.json')).status).toBe(404);
    expect((await text('/instruments/NOT_THERE')).status).toBe(404);
  });

  test('a notification reaches the hub, also after the connection was cut', async () => {
    await vi.waitFor(() => expect(notified).toBeGreaterThan(0));
    const before = notified;
    await database.sql`select pg_notify('dashboard', 'values')`;
    await vi.waitFor(() => expect(notified).toBeGreaterThan(before));
    await database.sql`
      select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and query like 'listen%'`;
    const cut = notified;
    // The resync on listening again counts as one.
    await vi.waitFor(() => expect(notified).toBeGreaterThan(cut), { timeout: 10_000 });
    await database.sql`select pg_notify('dashboard', 'values')`;
    await vi.waitFor(() => expect(notified).toBeGreaterThan(cut + 1), { timeout: 10_000 });
  });

  test('a tick that nobody notified reaches an open page', async () => {
    const response = await app.request('/events');
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let received = '';
    const readUntil = async (wanted: string) => {
      while (!received.includes(wanted)) received += (await reader?.read())?.value ?? '';
    };
    await readUntil(symbol);
    await insertTick(1.75);
    await readUntil('1.75000');
    await reader?.cancel();
  });
});

describeOnEngine('every page', ({ sql, as }) => {
  const feed = createFeed(sql);
  let app: ReturnType<typeof createApp>;
  let events: Events;
  const now = () => new Date().toISOString();
  const daysAgo = (days: number) => new Date(Date.now() - days * 86_400_000).toISOString();
  const symbols = { empty: '', old: '', traded: '', live: '' };
  let idOfEmpty: number;
  let idOfOld: number;
  let idOfLive: number;
  let idOfForeign: number;

  beforeAll(async () => {
    events = createEvents({ dashboard: readerOf(as('foresight_web')), logger });
    await registerCatalog(sql);
    // Somebody else's, who never computes.
    await createServiceStore(sql, 'python').register({
      service: 'python',
      description: 'Of another language',
      isClosedOnly: false,
      kinds: [{ ...kindOf('rsi'), kind: 'python_model', label: 'Python {period}', defaults: [] }],
    });
    for (const name of ['empty', 'old', 'traded', 'live'] as const)
      symbols[name] = await addInstrument(sql);
    const { empty, old, live } = symbols;
    const add = (symbol: string) => addIndicator(sql, symbol, { fast: 1, slow: 2 });
    [idOfEmpty, idOfOld, idOfLive] = [await add(empty), await add(old), await add(live)];
    idOfForeign = await addIndicator(sql, live, { period: 9 }, { kind: 'python_model' });
    await feed.recordTicks('manual', [
      tickOf(old, daysAgo(4), { bid: 2, ask: 2 }),
      tickOf(old, daysAgo(3), { bid: 3, ask: 3 }),
      tickOf(live, daysAgo(0.01), { bid: 4, ask: 4 }),
    ]);
    await catchUp(sql);
    restartWeb();
  });
  afterAll(() => events.close());

  /** As after a restart of the process, which knows nothing of before. */
  function restartWeb(): void {
    events.close();
    const dashboard = readerOf(as('foresight_web'));
    events = createEvents({ dashboard, logger });
    app = createApp({ dashboard, events, logger });
  }

  const get = async (path: string) => {
    const response = await app.request(path);
    const body = await response.text();
    const words = body
      .replace(/<(script|style|svg|noscript)[\s\S]*?<\/\1>/g, ' ')
      .replace(/<[^>]*>/g, ' ')
      .replace(/\s+/g, ' ');
    return { status: response.status, body, words };
  };

  /** What an open page is told first. */
  async function firstOf(path: string): Promise<string> {
    const response = await app.request(path);
    const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
    let received = '';
    while (!/event: (changed|fault)/.test(received)) {
      const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
      if (done) break;
      received += value;
    }
    await reader?.cancel();
    return received;
  }

  const timeframesThere = async () =>
    (await sql<{ timeframe: string }[]>`select timeframe from feed.timeframes order by width`).map(
      row => row.timeframe,
    );

  /** Every address there is answers, and every stream begins with a page's content. */
  async function walk(): Promise<void> {
    const timeframes = await timeframesThere();
    const ids = [idOfEmpty, idOfOld, idOfLive, idOfForeign];
    const range = `from=${daysAgo(0.5)}&to=${daysAgo(0)}`;
    const pages = [
      ...['', 'sort=change', 'sort=rating'].map(query => `/?${query}`),
      ...timeframes.map(timeframe => `/?timeframe=${timeframe}`),
      ...Object.values(symbols).flatMap(symbol => [
        `/instruments/${symbol}/ticks?${range}`,
        `/instruments/${symbol}`,
        ...timeframes.flatMap(timeframe =>
          sides.map(side => `/instruments/${symbol}?timeframe=${timeframe}&side=${side}`),
        ),
      ]),
      ...ids.flatMap(id => [
        `/indicators/${id}`,
        `/indicators/${id}/chart.json`,
        `/indicators/${id}/chart.json?from=${Math.floor(Date.now() / 1_000) - 600}`,
      ]),
      '/status',
    ];
    const wrong: string[] = [];
    for (const path of pages) {
      const { status } = await get(path);
      if (status !== 200) wrong.push(`${status} ${path}`);
    }
    const streams = [
      'page=market',
      'page=status',
      ...timeframes.map(timeframe => `page=market&timeframe=${timeframe}`),
      ...Object.values(symbols).map(symbol => `page=instrument&symbol=${symbol}`),
      ...ids.map(id => `page=indicator&id=${id}`),
    ];
    for (const query of streams) {
      const first = await firstOf(`/events?${query}`);
      if (!first.includes('<hx-partial')) wrong.push(`${first} /events?${query}`);
    }
    expect(wrong).toEqual([]);
  }

  /** What the market page says of an instrument. */
  async function rowOf(symbol: string): Promise<string> {
    const { words } = await get('/');
    const [, row = ''] =
      new RegExp(`(${symbol} .*?)(?: T[0-9A-F]{10} | Verdicts are )`).exec(words) ?? [];
    return row;
  }

  test('says of each instrument what there is: no ticks, old ones, trades, no indicators', async () => {
    const { empty, old, traded, live } = symbols;
    await feed.recordTicks('manual', [
      tickOf(live, now(), { bid: 5, ask: 5 }),
      tickOf(traded, now(), { last: 7.25, size: 2 }),
    ]);
    await catchUp(sql);
    expect(await rowOf(live)).toMatch(
      / 5\.00000 \d+ s .* ▲ bullish \+1 .* service python is not running/,
    );
    expect(await rowOf(traded)).toMatch(/ 7\.25000 \d+ s — — 0\.00000 0\.00 % — — —/);
    expect(await rowOf(empty)).toMatch(/ — no data — — — — — no price yet/);
    const ofOld = await rowOf(old);
    expect(ofOld).toMatch(/ 3\.00000 3 d dead feed 3\.00000 3\.00000 0\.00000 0\.00 % /);
    expect(ofOld).toMatch(/ — ▲ bullish \+1 .* dead/);
    const foreign = (await get(`/indicators/${idOfForeign}`)).words;
    expect(foreign).toMatch(/ service python is not running Price 5\.00000 rsi — Bucket — /);
    expect(foreign).toContain(' service python ');
    expect((await get('/status')).words).toMatch(
      / python Of another language ○ not running — — foresight-python 1 /,
    );
    expect((await get(`/indicators/${idOfEmpty}`)).words).toContain('No candles yet.');
    expect((await get(`/instruments/${empty}`)).words).toContain(
      'No mid candles of 1m in the last 100 intervals.',
    );
    expect((await get(`/instruments/${old}?side=bid`)).words).toContain(' 3.00000 3.00000 ');
    // Nobody quotes it, so its page begins with trades.
    expect((await get(`/instruments/${traded}`)).body).toMatch(/side=last" aria-current="true"/);
    await walk();
  });

  test('follows a timeframe that is added', async () => {
    await sql`select feed.add_timeframe('10m')`;
    restartWeb();
    await walk();
    const { words, body } = await get(`/instruments/${symbols.live}?timeframe=10m&side=bid`);
    expect(body).toMatch(/timeframe=10m&amp;side=bid" aria-current="true"/);
    expect(words).toContain(' 4.00000 ');
    await sql`select feed.remove_timeframe('10m')`;
    expect((await get(`/instruments/${symbols.live}?timeframe=10m`)).status).toBe(404);
  });

  test('does without timeframes that are removed', async () => {
    for (const timeframe of ['1d', '4h', '1h', '15m'])
      await sql`select feed.remove_timeframe(${timeframe})`;
    restartWeb();
    await walk();
    expect((await get(`/instruments/${symbols.live}?timeframe=1d`)).status).toBe(404);
    expect((await get(`/instruments/${symbols.live}`)).body).not.toContain('timeframe=1d');
    // The day's change needs no candles of a day.
    expect(await rowOf(symbols.old)).toMatch(
      / 3\.00000 3 d dead feed 3\.00000 3\.00000 0\.00000 0\.00 % /,
    );
  });

  test('shows a rating with its votes, and lets it go', async () => {
    const path = `/instruments/${symbols.live}/rating?timeframe=1m`;
    expect((await get(path)).status).toBe(404);
    await sql`select indicator.add_set(${symbols.live}, '1m', 'rating')`;
    await feed.recordTicks(
      'manual',
      Array.from({ length: 30 }, (_, minute) =>
        tickOf(symbols.live, daysAgo((40 - minute) / 1_440), { bid: 5 + minute, ask: 5 + minute }),
      ),
    );
    await catchUp(sql);
    const { status, words, body } = await get(path);
    expect(status).toBe(200);
    expect(words).toMatch(/ Votes counted \d+ of 26 /);
    expect(words).toMatch(/ SMA 10 \d+\.\d{5} . (buy|sell|neutral) 1 Bullish while the close /);
    expect(words).toMatch(/ EMA 200 — warming up \d+ of 200 1 /);
    expect(body.match(/<a href="\/indicators\/\d+">/g)).toHaveLength(26);
    const stream = `/events?page=rating&symbol=${symbols.live}&timeframe=1m&side=mid`;
    expect(await firstOf(stream)).toContain('Votes counted');
    expect((await get('/')).words).toMatch(/ 1m · [+−]?\d\.\d\d · \d+ of 26 votes /);
    await sql`select indicator.remove_set(${symbols.live}, '1m', 'rating')`;
    expect((await get(path)).status).toBe(404);
  });
});
