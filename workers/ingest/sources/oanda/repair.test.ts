import { afterEach, describe, expect, it } from 'vitest';
import type { Gap, RepairItem } from '../../source.ts';
import { SourceError } from '../../source.ts';
import { type FakeOanda, startFakeOanda } from './fake.ts';
import { createOanda } from './source.ts';

const access = { token: 'secret-token-0123456789', accountId: '101-004-1234567-001' };
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A Wednesday in mid session; the clocks of both sides stand long after it. */
const at = (time: string) => `2026-03-04T${time}`;

async function begin() {
  const fake = await startFakeOanda(access);
  closers.push(fake.close);
  const source = createOanda({
    ...access,
    environment: 'practice',
    streamUrl: fake.url,
    apiUrl: fake.url,
    timings: { answer: 5_000 },
  });
  return { fake, source };
}

const say = (fake: FakeOanda, time: string, bid: string, ask: string | null = `${bid}9`) =>
  fake.push({ instrument: 'EUR_USD', time: at(`${time}Z`), bid, ask });

const gapOf = (from: string, to: string): Gap => ({
  symbol: 'EUR_USD',
  from: at(`${from}.000000Z`),
  to: at(`${to}.000000Z`),
  cause: '',
  before: null,
  after: null,
});

async function repair(
  { source }: Awaited<ReturnType<typeof begin>>,
  gap: Gap,
  budget = 100,
): Promise<{ items: RepairItem[]; fault: Error | undefined }> {
  const items: RepairItem[] = [];
  try {
    const request = { signal: new AbortController().signal, budget };
    for await (const item of source.repair?.(gap, request) ?? []) items.push(item);
  } catch (error) {
    return { items, fault: error as Error };
  }
  return { items, fault: undefined };
}

const covered = (from: string, to: string) => ({
  kind: 'covered',
  from: at(`${from}.000000Z`),
  to: at(`${to}.000000Z`),
  grade: 'candles',
});
const startsOf = (items: readonly RepairItem[]) =>
  items.flatMap(item =>
    item.kind === 'candles' ? item.candles.map(({ from }) => from.slice(11, 19)) : [],
  );

describe('the repair of OANDA', () => {
  it('tells the candles of a gap, bid and ask each with its own prices', async () => {
    const parts = await begin();
    const { fake } = parts;
    say(fake, '10:00:00.100', '1.10010', '1.10030');
    say(fake, '10:00:01', '1.10000', '1.10040');
    say(fake, '10:00:04.9', '1.10020', '1.10030');
    say(fake, '10:00:07', '1.2', null);
    say(fake, '10:00:20', '1.3');
    expect(await repair(parts, gapOf('10:00:00', '10:00:10'))).toEqual({
      items: [
        {
          kind: 'candles',
          widthSeconds: 5,
          candles: [
            {
              from: at('10:00:00.000000Z'),
              bid: { open: 1.1001, high: 1.1002, low: 1.1, close: 1.1002 },
              ask: { open: 1.1003, high: 1.1004, low: 1.1003, close: 1.1003 },
            },
            {
              from: at('10:00:05.000000Z'),
              bid: { open: 1.2, high: 1.2, low: 1.2, close: 1.2 },
              ask: null,
            },
          ],
        },
        covered('10:00:00', '10:00:10'),
      ],
      fault: undefined,
    });
    expect(fake.requests).toEqual([
      '200 /v3/instruments/EUR_USD/candles?price=BA&granularity=S5&from=2026-03-04T10%3A00%3A00.000000Z&to=2026-03-04T10%3A00%3A10.000000Z',
    ]);
  });

  it('asks for the whole candles at both ends, and proves no more than the gap', async () => {
    const parts = await begin();
    say(parts.fake, '10:00:00', '1.1');
    say(parts.fake, '10:00:14', '1.2');
    say(parts.fake, '10:00:15', '1.3');
    const { items } = await repair(parts, gapOf('10:00:03', '10:00:11'));
    expect(startsOf(items)).toEqual(['10:00:00', '10:00:10']);
    expect(items.at(-1)).toEqual(covered('10:00:03', '10:00:11'));
  });

  it('pages from the newest end, never beyond what OANDA gives at once, and goes on where it ended', async () => {
    const parts = await begin();
    for (const time of ['00:00:01', '07:00:01', '13:59:59', '20:00:00'])
      say(parts.fake, time, '1.1');
    const { items, fault } = await repair(parts, gapOf('00:00:00', '14:00:00'), 2);
    expect(fault).toBeUndefined();
    expect(startsOf(items)).toEqual(['13:59:55', '07:00:00']);
    expect(items.filter(({ kind }) => kind === 'covered')).toEqual([
      covered('07:03:25', '14:00:00'),
      covered('00:06:50', '07:03:25'),
    ]);
    const rest = await repair(parts, gapOf('00:00:00', '00:06:50'), 2);
    expect(startsOf(rest.items)).toEqual(['00:00:00']);
    expect(rest.items.at(-1)).toEqual(covered('00:00:00', '00:06:50'));
    expect(parts.fake.requests.every(request => request.startsWith('200'))).toBe(true);
  });

  it('takes a weekend for a time without prices', async () => {
    const parts = await begin();
    parts.fake.push({
      instrument: 'EUR_USD',
      time: '2026-03-06T21:59:58Z',
      bid: '1.1',
      ask: '1.2',
    });
    parts.fake.push({
      instrument: 'EUR_USD',
      time: '2026-03-08T21:00:03Z',
      bid: '1.1',
      ask: '1.2',
    });
    parts.fake.push({
      instrument: 'EUR_USD',
      time: '2026-03-08T21:00:06Z',
      bid: '1.1',
      ask: '1.2',
    });
    const { items, fault } = await repair(parts, {
      ...gapOf('00:00:00', '00:00:00'),
      from: '2026-03-06T21:50:00.000000Z',
      to: '2026-03-08T21:00:05.000000Z',
    });
    expect(fault).toBeUndefined();
    expect(startsOf(items)).toEqual(['21:00:00', '21:59:55']);
    const proofs = items.filter(item => item.kind === 'covered');
    expect(proofs[0]?.to).toBe('2026-03-08T21:00:05.000000Z');
    expect(proofs.at(-1)?.from).toBe('2026-03-06T21:50:00.000000Z');
    for (const [index, proof] of proofs.slice(1).entries()) {
      expect(proof.to).toBe(proofs[index]?.from);
    }
  });

  it('waits for a candle that is not complete, and proves what is before it', async () => {
    const parts = await begin();
    say(parts.fake, '10:00:01', '1.1');
    say(parts.fake, '10:00:06', '1.2');
    const first = await repair(parts, gapOf('10:00:00', '10:00:20'));
    expect(startsOf(first.items)).toEqual(['10:00:00']);
    expect(first.items.at(-1)).toEqual(covered('10:00:00', '10:00:05'));
    expect(first.fault?.message).toBe('OANDA has not completed the newest candles yet');
    say(parts.fake, '10:00:40', '1.3');
    const second = await repair(parts, gapOf('10:00:05', '10:00:20'));
    expect(startsOf(second.items)).toEqual(['10:00:05']);
    expect(second.items.at(-1)).toEqual(covered('10:00:05', '10:00:20'));
    expect(second.fault).toBeUndefined();
  });

  it('asks for nothing that is ahead of OANDA, which would refuse all of it', async () => {
    const { fake, source } = await begin();
    const now = Date.now();
    const iso = (seconds: number) =>
      new Date(now + seconds * 1_000).toISOString().replace('Z', '000Z');
    for (const seconds of [-60, -40, -1]) {
      fake.push({ instrument: 'EUR_USD', time: iso(seconds), bid: '1.1', ask: '1.2' });
    }
    const gap = { ...gapOf('00:00:00', '00:00:00'), from: iso(-60), to: iso(0) };
    const { items, fault } = await repair({ fake, source }, gap);
    expect(fault?.message).toBe('OANDA has not completed the newest candles yet');
    const [proof] = items.filter(item => item.kind === 'covered');
    expect(Date.parse(proof?.to ?? '')).toBeLessThanOrEqual(now - 1_000);
    expect(fake.requests.map(request => request.slice(0, 3))).toEqual(['200']);
  });

  it('gives up what OANDA has by the minute alone', async () => {
    const parts = await begin();
    say(parts.fake, '02:00:01', '1.1');
    say(parts.fake, '13:59:59', '1.2');
    say(parts.fake, '14:00:01', '1.2');
    parts.fake.forgetFine(at('10:00:00Z'));
    const { items, fault } = await repair(parts, gapOf('00:00:00', '14:00:00'));
    expect(fault).toBeUndefined();
    expect(items.at(-2)).toEqual(covered('07:03:25', '14:00:00'));
    expect(items.at(-1)).toEqual({
      kind: 'impossible',
      reason: 'OANDA has no candles of 5 s as old as that',
    });
  });

  it.each([
    [401, SourceError],
    [403, SourceError],
    [429, Error],
    [503, Error],
  ])('tells HTTP %i, and asks again later', async (status, kind) => {
    const parts = await begin();
    for (const time of ['10:00:01', '10:00:20']) say(parts.fake, time, '1.1');
    parts.fake.refuseNext(1, status, status === 429 ? { 'Retry-After': '1' } : {});
    const refused = await repair(parts, gapOf('10:00:00', '10:00:10'));
    expect(refused.items).toEqual([]);
    expect(refused.fault).toBeInstanceOf(kind);
    expect(refused.fault?.message).toContain(`HTTP ${status}`);
    expect(refused.fault?.message).not.toContain(access.token);
    const since = performance.now();
    const again = await repair(parts, gapOf('10:00:00', '10:00:10'));
    expect(again.items.at(-1)).toEqual(covered('10:00:00', '10:00:10'));
    // All that ask OANDA leave it alone as long as it wants.
    if (status === 429) expect(performance.now() - since).toBeGreaterThanOrEqual(900);
  });

  it.each([
    ['no list', '{"candles":{}}'],
    ['no candles', '{"errorMessage":"?"}'],
    [
      'a price that is no number',
      '{"candles":[{"time":"2026-03-04T10:00:00.000000000Z","complete":true,"bid":{"o":"x","h":"1","l":"1","c":"1"}}]}',
    ],
    [
      'a low above the high',
      '{"candles":[{"time":"2026-03-04T10:00:00.000000000Z","complete":true,"bid":{"o":"1","h":"1","l":"2","c":"1"}}]}',
    ],
    ['a time that is none', '{"candles":[{"time":"yesterday","complete":true}]}'],
    [
      'one candle twice',
      '{"candles":[{"time":"2026-03-04T10:00:00.000000000Z","complete":true},{"time":"2026-03-04T10:00:00.000000000Z","complete":true}]}',
    ],
  ])('takes an answer with %s for none', async (_, text) => {
    const parts = await begin();
    parts.fake.answerNext(text);
    const { items, fault } = await repair(parts, gapOf('10:00:00', '10:00:10'));
    expect(items).toEqual([]);
    expect(fault?.message).toBe('the answer is not a list of candles');
  });
});
