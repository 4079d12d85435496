import { createHash } from 'node:crypto';
import type { Gap, Item, ProviderCandle, RepairItem, Source, Tick } from '../source.ts';
import { epochMicroseconds, fromEpochMicroseconds } from '../time.ts';
import { createWanted } from '../wanted.ts';

/** What a source said, kept as the database keeps it: each tick once, and what is known of which time. */
export interface Books {
  readonly ticks: (symbol: string) => readonly Tick[];
  /** Ticks whose key came with another content. */
  readonly conflicts: readonly Tick[];
  /** How many ticks were said again, as they were. */
  readonly repeated: () => number;
  readonly rejections: readonly Extract<Item, { kind: 'rejected' }>['rejection'][];
  /** `connected`, or why not. */
  readonly states: readonly string[];
  readonly causes: readonly string[];
  readonly retries: readonly number[];
  /** Of each retry, whether the provider asked for that. */
  readonly asked: readonly boolean[];
  /** Times between the first and the last one known of which something may be missing. */
  readonly gaps: (symbol: string) => readonly { readonly from: string; readonly to: string }[];
  /** Was everything of that moment heard? */
  readonly knows: (symbol: string, time: string) => boolean;
  /** Was what is missing of that moment given up? At the ends of a gap some of it is there. */
  readonly isGivenUp: (symbol: string, time: string) => boolean;
  /** Why a gap will never be filled. */
  readonly impossible: readonly string[];
  /** What a repair was told instead of ticks. */
  readonly candles: readonly ProviderCandle[];
  /** What a repair asks again later for. */
  readonly faults: readonly string[];
  readonly want: (symbols: readonly string[]) => void;
  readonly until: (holds: () => boolean) => Promise<void>;
  /** Asks the source for every gap, the newest first, as long as it gets on. */
  readonly repair: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Whole numbers, both ends included; a time is twice its microseconds, so that there is room between two. */
type Span = readonly [low: number, high: number];

const place = (time: string) => epochMicroseconds(time) * 2;
const timeAt = (at: number) => fromEpochMicroseconds(at / 2);

function add(spans: readonly Span[], [low, high]: Span): Span[] {
  const touching = spans.filter(([from, to]) => from <= high + 1 && to >= low - 1);
  const apart = spans.filter(span => !touching.includes(span));
  const grown: Span = [
    Math.min(low, ...touching.map(([from]) => from)),
    Math.max(high, ...touching.map(([, to]) => to)),
  ];
  return [...apart, grown].sort(([one], [other]) => one - other);
}

const remove = (spans: readonly Span[], [low, high]: Span): Span[] =>
  spans.flatMap(([from, to]): Span[] => {
    if (to < low || from > high) return [[from, to]];
    const left: Span[] = from < low ? [[from, low - 1]] : [];
    return to > high ? [...left, [high + 1, to]] : left;
  });

const isIn = (spans: readonly Span[] = [], time: string) =>
  spans.some(([low, high]) => low <= place(time) && place(time) <= high);

export function keepBooks(source: Source, symbols: readonly string[]): Books {
  const ticks = new Map<string, Map<string, Tick>>();
  const heard = new Map<string, Span[]>();
  const proven = new Map<string, Span[]>();
  const givenUp = new Map<string, Span[]>();
  const conflicts: Tick[] = [];
  let repeated = 0;
  const rejections: Extract<Item, { kind: 'rejected' }>['rejection'][] = [];
  const states: string[] = [];
  const causes: string[] = [];
  const retries: number[] = [];
  const asked: boolean[] = [];
  const impossible: string[] = [];
  const faults: string[] = [];
  const candles: ProviderCandle[] = [];
  const checks = new Set<() => void>();
  const stop = new AbortController();
  const wanted = createWanted();
  wanted.change(symbols, new Map());

  function store(tick: Tick): void {
    const own = ticks.get(tick.symbol) ?? new Map<string, Tick>();
    ticks.set(tick.symbol, own);
    const key = `${tick.observedAt} ${tick.seq ?? `${tick.bid} ${tick.ask}`}`;
    const stored = own.get(key);
    if (stored === undefined) own.set(key, tick);
    else if (digest(stored) === digest(tick)) repeated += 1;
    else conflicts.push(tick);
  }
  const sorted = (symbol: string) =>
    [...(ticks.get(symbol)?.values() ?? [])].sort((one, other) =>
      one.observedAt === other.observedAt
        ? Number(BigInt(one.seq ?? 0) - BigInt(other.seq ?? 0))
        : one.observedAt < other.observedAt
          ? -1
          : 1,
    );

  function take(item: Item): void {
    switch (item.kind) {
      case 'ticks':
        item.ticks.forEach(store);
        break;
      case 'covered':
        for (const symbol of item.symbols) {
          heard.set(symbol, add(heard.get(symbol) ?? [], [place(item.from), place(item.to)]));
        }
        break;
      case 'missed':
        causes.push(item.cause);
        for (const symbol of item.symbols) {
          const span: Span = [place(item.from) + 1, place(item.to) - 1];
          heard.set(symbol, remove(heard.get(symbol) ?? [], span));
        }
        break;
      case 'rejected':
        rejections.push(item.rejection);
        break;
      case 'state':
        states.push(item.state === 'connected' ? 'connected' : item.reason);
        if (item.state === 'disconnected') {
          retries.push(item.retryInMs);
          asked.push(item.isAsked === true);
        }
        break;
    }
  }

  function missing(symbol: string): Span[] {
    const own = heard.get(symbol) ?? [];
    const [first, last] = [own[0], own.at(-1)];
    if (first === undefined || last === undefined) return [];
    const known = [...own, ...(proven.get(symbol) ?? []), ...(givenUp.get(symbol) ?? [])];
    return known.reduce<Span[]>(remove, [[first[0], last[1]]]);
  }

  async function run(): Promise<void> {
    for await (const item of source.follow({ signal: stop.signal, wanted: wanted.current })) {
      take(item);
      for (const check of checks) check();
    }
  }
  const ended = run();
  ended.catch(() => undefined);

  async function repairOne(symbol: string, [low, high]: Span): Promise<boolean> {
    const [from, to] = [timeAt(low - 1), timeAt(high + 1)];
    const all = sorted(symbol);
    const gap: Gap = {
      symbol,
      from,
      to,
      cause: '',
      before: all.filter(tick => tick.observedAt <= from).at(-1) ?? null,
      after: nearestAfter(all, to),
    };
    let isOn = false;
    try {
      const items: AsyncIterable<RepairItem> =
        source.repair?.(gap, { signal: stop.signal, budget: 3 }) ?? none();
      for await (const item of items) {
        if (item.kind === 'ticks') item.ticks.forEach(store);
        else if (item.kind === 'rejected') rejections.push(item.rejection);
        else if (item.kind === 'candles') candles.push(...item.candles);
        else if (item.kind === 'impossible') {
          impossible.push(item.reason);
          givenUp.set(symbol, add(givenUp.get(symbol) ?? [], [low, high]));
          isOn = true;
        } else {
          const span: Span = [place(item.from), place(item.to)];
          proven.set(symbol, add(proven.get(symbol) ?? [], span));
          isOn = true;
        }
      }
    } catch (error) {
      faults.push((error as Error).message);
    }
    return isOn;
  }

  return {
    ticks: sorted,
    conflicts,
    repeated: () => repeated,
    rejections,
    states,
    causes,
    retries,
    asked,
    impossible,
    candles,
    faults,
    knows: (symbol, time) => isIn(heard.get(symbol), time),
    isGivenUp: (symbol, time) =>
      isIn(
        givenUp.get(symbol)?.map(([low, high]) => [low - 1, high + 1]),
        time,
      ),
    gaps: symbol =>
      missing(symbol).map(([low, high]) => ({ from: timeAt(low - 1), to: timeAt(high + 1) })),
    want: names => wanted.change(names, new Map()),
    until: holds =>
      new Promise((resolve, fail) => {
        const check = () => {
          if (!holds()) return;
          checks.delete(check);
          resolve();
        };
        checks.add(check);
        check();
        ended.then(() => fail(new Error('the source has ended')), fail);
      }),
    repair: async () => {
      for (const symbol of heard.keys()) {
        for (;;) {
          const newest = missing(symbol).at(-1);
          if (newest === undefined || !(await repairOne(symbol, newest))) break;
        }
      }
    },
    close: async () => {
      stop.abort();
      await ended;
    },
  };
}

/** As `feed.claim_gap` finds it. */
function nearestAfter(all: readonly Tick[], to: string): Tick | null {
  const withId = all.filter(tick => tick.seq !== null && tick.observedAt >= to);
  return withId.filter(tick => tick.observedAt === withId[0]?.observedAt).at(-1) ?? null;
}

async function* none(): AsyncGenerator<RepairItem> {}

const digest = (tick: Tick) =>
  createHash('sha1')
    .update(JSON.stringify({ ...tick, seq: String(tick.seq) }))
    .digest('hex');
