import { pino } from 'pino';
import { expect, test, vi } from 'vitest';
import { type Connection, createReader, type ReaderOptions } from './reader.ts';
import { createFixture } from './tests/fixture.ts';

const logger = pino({ level: 'silent' });
const start = Date.parse('2026-11-02T10:00:00Z');

/** A reader, and the connections that it opened: the newest answers unless its fixture is told not to. */
function open(options: Partial<ReaderOptions> = {}) {
  const opened: { fixture: ReturnType<typeof createFixture>; isClosed: boolean }[] = [];
  let time = start;
  const reader = createReader({
    open(): Connection {
      const each = { fixture: createFixture(), isClosed: false };
      opened.push(each);
      return {
        ...each.fixture.plain,
        close() {
          each.isClosed = true;
        },
      };
    },
    logger,
    patience: 40,
    heartbeatPatience: 20,
    patienceInFault: 10,
    giveUpAfter: 60_000,
    now: () => (time += 1_000),
    ...options,
  });
  const newest = () => {
    const last = opened.at(-1);
    if (last === undefined) throw new Error('nothing was opened');
    return last;
  };
  return { reader, opened, newest };
}

test('an answer that never comes fails, and the last one is given instead', async () => {
  const { reader, newest } = open();
  const first = await reader.latest('watchlist');
  expect(first.fault).toBeNull();
  newest().fixture.isSilent = true;
  const last = await reader.latest('watchlist');
  expect(last.answer).toBe(first.answer);
  expect(last.fault).toMatch(
    /^The database does not answer\. Its last answer came at 2026-11-02 10:00:\d\d UTC\. What you see is of 2026-11-02 10:00:\d\d UTC\. /,
  );
  await expect(reader.indicator(1)).rejects.toThrow('no answer for 10 ms');
  newest().fixture.isSilent = false;
  expect((await reader.latest('watchlist')).fault).toBeNull();
  expect(reader.fault()).toBeNull();
});

test('one heartbeat without an answer ends the waiting of everybody', async () => {
  const { reader, newest } = open({ patience: 60_000 });
  newest().fixture.isSilent = true;
  const waiting = reader.instrument('EUR_USD');
  await expect(reader.beat('here', 1)).rejects.toThrow('no answer for 20 ms');
  await expect(waiting).rejects.toThrow('no answer for 20 ms');
});

test('a question that is slow while others are answered is no outage', async () => {
  const { reader, newest } = open();
  await reader.latest('status');
  const { fixture } = newest();
  fixture.isSilent = true;
  const slow = reader.latest('status');
  fixture.isSilent = false;
  await reader.beat('here', 1);
  expect((await slow).fault).toMatch(/^The database does not answer what this page asks\. /);
  expect(reader.fault()).toBeNull();
});

test('connections that went silent are given up for new ones, and closed', async () => {
  const { reader, opened, newest } = open({ giveUpAfter: 60 });
  const [first] = opened;
  newest().fixture.isSilent = true;
  await expect(reader.status()).rejects.toThrow('no answer');
  await vi.waitFor(() => expect(opened).toHaveLength(2));
  expect(first?.isClosed).toBe(true);
  expect((await reader.latest('status')).fault).toBeNull();
  expect(opened).toHaveLength(2);
});

test('a refusal of the server is no outage, a lost connection is', async () => {
  const { reader, newest } = open();
  const { fixture } = newest();
  fixture.failure = Object.assign(new Error('canceled'), { name: 'PostgresError', code: '57014' });
  await expect(reader.status()).rejects.toThrow('canceled');
  expect(reader.fault()).toBeNull();
  fixture.failure = Object.assign(new Error('gone'), { name: 'PostgresError', code: '57P01' });
  await expect(reader.status()).rejects.toThrow('gone');
  expect(reader.fault()).toEqual({ reason: 'cannot be reached', since: expect.any(Number) });
  expect(reader.describeFault()).toContain('The database cannot be reached.');
});
