import type { Item, Tick } from '../../../source.ts';
import { createWanted } from '../../../wanted.ts';
import { type FakeOanda, type FakeOandaOptions, startFakeOanda } from '../fake.ts';
import type { FakePrice } from '../fake_prices.ts';
import { createOanda, type OandaOptions } from '../source.ts';

export const token = 'secret-token-0123456789';
export const accountId = '101-004-1234567-001';
export const quick = { firstBackoff: 1, longestBackoff: 4, lag: 0 };

/** What a test has opened, to be closed after it. */
export const closers: (() => Promise<unknown>)[] = [];

/** For `afterEach`, in each file of tests. */
export async function closeAll(): Promise<void> {
  for (const close of closers.splice(0).reverse()) await close();
}

export async function startFake(options: Partial<FakeOandaOptions> = {}) {
  const fake = await startFakeOanda({ token, accountId, ...options });
  closers.push(fake.close);
  return fake;
}

export const createSource = (fake: Pick<FakeOanda, 'url'>, options: Partial<OandaOptions> = {}) =>
  createOanda({
    token,
    accountId,
    environment: 'practice',
    streamUrl: fake.url,
    apiUrl: `${fake.url}/`,
    random: () => 0.5,
    ...options,
    timings: { ...quick, ...options.timings },
  });

type Disconnected = Extract<Item, { state: 'disconnected' }>;

/** What a source says beside its ticks, in short. */
export type Event =
  | { readonly kind: 'connected' | 'alive' | 'missed' }
  | (Pick<Disconnected, 'reason' | 'retryInMs' | 'isAsked'> & { readonly kind: 'disconnected' })
  | Extract<Item, { kind: 'rejected' }>;

export function toEvent(item: Exclude<Item, { kind: 'ticks' }>): Event {
  if (item.kind === 'rejected') return item;
  if (item.kind === 'covered') return { kind: 'alive' };
  if (item.kind === 'missed') return { kind: 'missed' };
  if (item.state === 'connected') return { kind: 'connected' };
  const { reason, retryInMs, isAsked } = item;
  return { kind: 'disconnected', reason, retryInMs, ...(isAsked !== undefined && { isAsked }) };
}

/** Follows a source in the background, and lets a test wait for what it has seen. */
export function follow(
  fake: Pick<FakeOanda, 'url'>,
  options: Partial<OandaOptions> = {},
  symbols: readonly string[] = ['EUR_USD', 'USD_JPY'],
) {
  const ticks: Tick[] = [];
  const events: Event[] = [];
  const covered: Extract<Item, { kind: 'covered' }>[] = [];
  const groups: number[] = [];
  let checks: (() => void)[] = [];
  const look = () => {
    for (const check of checks) check();
  };
  const stop = new AbortController();
  const wanted = createWanted();
  const want = (names: readonly string[]) => wanted.change(names, new Map());
  want(symbols);
  const run = async () => {
    const request = { signal: stop.signal, wanted: wanted.current };
    for await (const item of createSource(fake, options).follow(request)) {
      if (item.kind === 'ticks') {
        groups.push(item.ticks.length);
        ticks.push(...item.ticks);
      } else {
        events.push(toEvent(item));
        if (item.kind === 'covered') covered.push(item);
      }
      look();
    }
  };
  const ended = run();
  ended.catch(() => {});
  closers.push(async () => {
    stop.abort();
    await ended.catch(() => {});
  });
  const until = (holds: () => boolean) =>
    new Promise<void>((resolve, fail) => {
      const check = () => {
        if (!holds()) return;
        checks = checks.filter(other => other !== check);
        resolve();
      };
      checks.push(check);
      check();
      ended.catch(fail);
    });
  const count = (kind: Event['kind']) => events.filter(event => event.kind === kind).length;
  const rejections = () =>
    events.flatMap(event => (event.kind === 'rejected' ? [event.rejection] : []));
  const reasons = () =>
    events.flatMap(event => (event.kind === 'disconnected' ? [event.reason] : []));
  return { ticks, events, groups, covered, want, until, count, rejections, reasons, ended, stop };
}

export const price = (change: Partial<FakePrice> = {}): FakePrice => ({
  instrument: 'EUR_USD',
  bid: '1.16501',
  ask: '1.16514',
  time: '2026-01-02T03:04:05.123456789Z',
  ...change,
});
export const tick: Tick = {
  symbol: 'EUR_USD',
  observedAt: '2026-01-02T03:04:05.123456Z',
  seq: 789,
  bid: 1.16501,
  ask: 1.16514,
  last: null,
  size: null,
};
