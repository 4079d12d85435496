import { pino } from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { addInstrument, describeOnEngine } from '../tests/support/database.ts';
import { createApp } from './app.ts';
import { createDashboard, type Dashboard } from './dashboard.ts';
import { createEvents, type Events } from './live/events.ts';
import { createListener, type Listener } from './live/listener.ts';

const logger = pino({ level: 'silent' });

describeOnEngine('the pages on a real database', database => {
  let app: ReturnType<typeof createApp>;
  let dashboard: Dashboard;
  let events: Events;
  let listener: Listener;
  let symbol: string;
  let notified = 0;

  beforeAll(async () => {
    dashboard = createDashboard(database.as('foresight_web'));
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
    expect((await text('/status')).body).toContain('process ingest is not running');
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
