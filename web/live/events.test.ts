import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createApp } from '../app.ts';
import { marketTopic } from '../screens/market.ts';
import { createFixture, type Fixture } from '../tests/fixture.ts';
import { createEvents, type Events, type EventsOptions } from './events.ts';

const logger = pino({ level: 'silent' });
let fixture: Fixture;
let events: Events;
let opened: Page[];

beforeEach(() => {
  fixture = createFixture();
  opened = [];
  use({});
});

afterEach(async () => {
  for (const page of opened) await page.close();
  events.close();
});

function use(options: Partial<EventsOptions>) {
  events?.close();
  events = createEvents({
    dashboard: fixture.dashboard,
    logger,
    pushInterval: 5,
    rereadInterval: 600_000,
    ...options,
  });
}

interface Message {
  readonly event: string;
  readonly id: string;
  readonly data: string;
}

function parse(block: string): Message {
  const message = { event: '', id: '', data: '' };
  for (const line of block.split('\n')) {
    const [name = '', ...rest] = line.split(': ');
    const text = rest.join(': ');
    if (name === 'data') message.data += message.data === '' ? text : `\n${text}`;
    else if (name === 'event' || name === 'id') message[name] = text;
  }
  return message;
}

/** A browser's end of a stream. */
interface Page {
  readonly response: Response;
  /** The next message with content: not a ping, not a nudge. */
  next(event?: string): Promise<Message>;
  close(): Promise<void>;
}

async function open(query = '', signal?: AbortSignal): Promise<Page> {
  const app = createApp({ dashboard: fixture.dashboard, events, logger });
  const request = new Request(
    `http://localhost/events${query}`,
    signal === undefined ? {} : { signal },
  );
  const response = await app.fetch(request);
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  const page: Page = {
    response,
    async next(event = '') {
      while (true) {
        const end = text.indexOf('\n\n');
        if (end >= 0) {
          const message = parse(text.slice(0, end));
          text = text.slice(end + 2);
          if (message.event === event) return message;
          continue;
        }
        const { value, done } = (await reader?.read()) ?? { value: undefined, done: true };
        if (done) throw new Error('the stream ended');
        text += value;
      }
    },
    close: async () => void (await reader?.cancel().catch(() => undefined)),
  };
  opened.push(page);
  return page;
}

const targets = (message: Message) =>
  [...message.data.matchAll(/hx-target="#([^"]+)"/g)].map(match => match[1]);

test('a stream begins with the whole watchlist', async () => {
  const page = await open();
  const first = await page.next();
  expect(targets(first)).toEqual(['watchlist']);
  expect(first.data).toContain('EUR_USD');
  expect(page.response.headers.get('Content-Type')).toContain('text/event-stream');
  expect(page.response.headers.get('Cache-Control')).toContain('no-store');
});

test('after the snapshot only the rows that changed are sent, and then the nudge', async () => {
  const page = await open();
  const first = await page.next();
  fixture.setPrice('EUR_USD', 1.09, -1);
  events.notify();
  const second = await page.next();
  expect(targets(second)).toEqual(['row-1']);
  expect(second.data).toContain('1.09000');
  expect(second.data).toContain('bearish');
  expect(Number(second.id)).toBeGreaterThan(Number(first.id));
  expect((await page.next('changed')).data).toBe(second.id);
});

test('a notification without a change sends nothing', async () => {
  const page = await open();
  await page.next();
  events.notify();
  await vi.waitFor(() => expect(fixture.calls.watchlist).toBe(2));
  fixture.setPrice('BTC_USD', 65_000);
  events.notify();
  expect(targets(await page.next())).toEqual(['row-2']);
});

test('a new instrument sends the whole watchlist again', async () => {
  const page = await open();
  await page.next();
  fixture.rows = fixture.rows.slice(1);
  events.notify();
  expect(targets(await page.next())).toEqual(['watchlist']);
});

test('a change that nobody notified appears by the slow reading', async () => {
  use({ rereadInterval: 20 });
  const page = await open();
  await page.next();
  fixture.setPrice('EUR_USD', 1.1);
  expect(targets(await page.next())).toEqual(['row-1']);
});

test('many notifications make few pushes', async () => {
  use({ pushInterval: 50 });
  const page = await open();
  await page.next();
  for (let each = 0; each < 1_000; each += 1) events.notify();
  await new Promise(resolve => setTimeout(resolve, 120));
  expect(fixture.calls.watchlist).toBeLessThanOrEqual(4);
});

test('a hundred pages cost one query a push', async () => {
  const pages = await Promise.all(Array.from({ length: 100 }, () => open()));
  await Promise.all(pages.map(page => page.next()));
  const before = fixture.calls.watchlist;
  fixture.setPrice('EUR_USD', 1.2);
  events.notify();
  await Promise.all(pages.map(page => page.next()));
  expect(fixture.calls.watchlist).toBe(before + 1);
});

test('without an open page nothing is read', async () => {
  use({ rereadInterval: 10 });
  events.notify();
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(fixture.calls.watchlist).toBe(0);
  const page = await open();
  await page.next();
  await page.close();
  await vi.waitFor(() => expect(events.streamCount).toBe(0));
  const calls = fixture.calls.watchlist;
  events.notify();
  await new Promise(resolve => setTimeout(resolve, 50));
  expect(fixture.calls.watchlist).toBe(calls);
});

test('a stream leaves when its reader cancels and when its request is aborted', async () => {
  const page = await open();
  await page.next();
  expect(events.streamCount).toBe(1);
  await page.close();
  await vi.waitFor(() => expect(events.streamCount).toBe(0));

  const controller = new AbortController();
  await (await open('', controller.signal)).next();
  expect(events.streamCount).toBe(1);
  controller.abort();
  await vi.waitFor(() => expect(events.streamCount).toBe(0));
});

test('beyond the cap a stream is refused with 503, and taken again when one has left', async () => {
  use({ maxStreams: 2 });
  const first = await open();
  await open();
  expect((await open()).response.status).toBe(503);
  expect((await open()).response.headers.get('Retry-After')).toBe('10');
  await first.close();
  await vi.waitFor(() => expect(events.streamCount).toBe(1));
  expect((await open()).response.status).toBe(200);
});

test('a HEAD request opens no stream', async () => {
  const app = createApp({ dashboard: fixture.dashboard, events, logger });
  expect((await app.request('/events', { method: 'HEAD' })).status).toBe(200);
  expect(events.streamCount).toBe(0);
});

test('pings come when nothing changes and carry the time of the server', async () => {
  use({ pingInterval: 10 });
  const page = await open();
  await page.next();
  const { data } = await page.next('ping');
  expect(Math.abs(Number(data) - Date.now())).toBeLessThan(60_000);
});

test('an unreadable database is told to the pages, and so is its recovery', async () => {
  const page = await open();
  await page.next();
  fixture.failure = new Error('secret');
  events.notify();
  expect((await page.next('fault')).data).toMatch(
    /^The database cannot be reached\. Its last answer came at [\d: -]+ UTC\. What you see is of [\d: -]+ UTC\. It is tried again every 5 s\.$/,
  );
  fixture.failure = null;
  events.notify();
  await page.next('recovered');
});

test('the page of an indicator hears of its own changes only', async () => {
  const page = await open('?page=indicator&id=3');
  expect(targets(await page.next())).toEqual(['now']);
  fixture.setPrice('EUR_USD', 1.3);
  events.notify();
  await vi.waitFor(() => expect(fixture.calls.watchlist).toBe(2));
  fixture.setPrice('BTC_USD', 70_000, 1);
  events.notify();
  expect((await page.next()).data).toContain('bullish');
});

test('the status page hears of the section that changed', async () => {
  use({ rereadInterval: 20 });
  const page = await open('?page=status');
  expect(targets(await page.next())).toEqual(['status']);
  fixture.status = { ...fixture.status, lag: [{ step: 'tick to delta', seconds: 9, pending: 1 }] };
  expect(targets(await page.next())).toEqual(['lag']);
});

test('a browser that does not read gets the newest state once, not the history', async () => {
  const written: string[] = [];
  let taken = () => {};
  const send = (bytes: Uint8Array) => {
    written.push(new TextDecoder().decode(bytes));
    return new Promise<void>(resolve => {
      taken = resolve;
    });
  };
  events.join(
    marketTopic(() => undefined),
    send,
    () => undefined,
  );
  expect(written).toHaveLength(1);
  for (let price = 1; price <= 50; price += 1) {
    fixture.setPrice('EUR_USD', price);
    const calls = fixture.calls.watchlist;
    events.notify();
    await vi.waitFor(() => expect(fixture.calls.watchlist).toBe(calls + 1), { interval: 2 });
    await new Promise(resolve => setTimeout(resolve, 6));
  }
  expect(written).toHaveLength(1);
  taken();
  await vi.waitFor(() => expect(written).toHaveLength(2));
  const newest = written[1] ?? '';
  expect(newest).toContain('50.00000');
  expect(newest).not.toContain('>49.00000');
  expect(newest.length).toBeLessThan(30_000);
});

test('a browser that never takes a byte is cut off', async () => {
  use({ pingInterval: 5 });
  const end = vi.fn();
  events.join(
    marketTopic(() => undefined),
    () => new Promise(() => undefined),
    end,
  );
  await vi.waitFor(() => expect(end).toHaveBeenCalled());
});

test('closing ends all streams and takes no new one', async () => {
  const page = await open();
  await page.next();
  events.close();
  await expect(page.next('never')).rejects.toThrow('ended');
  expect(events.streamCount).toBe(0);
  expect((await open()).response.status).toBe(503);
});
