import { setTimeout as delay } from 'node:timers/promises';
import { readRetryAfter } from '../retry_after.ts';
import type { Budget } from './budget.ts';
import { pushed } from './channel.ts';
import { backoff, createPatience, Hiccup, within } from './connection.ts';
import type { Network, SocketEnd } from './network.ts';
import { openSocket } from './socket.ts';
import type { FollowRequest, Item } from './source.ts';
import type { Marks, Trail } from './trail.ts';

/**
 * Holds a connection to a provider's WebSocket. One place for what all have to take care of: the deadline of
 * the subscription, silence of the transport and of the market, a slow database (the socket is not read
 * then), back-off with jitter and a cap, what the provider says about when to come again, and a new
 * connection before the old one ends, so that those who stay lose nothing.
 */
export interface Wire {
  /** As a sentence calls it, for example `Coinbase`. */
  readonly label: string;
  /** A conversation for these symbols, new for each connection. */
  readonly talk: (symbols: readonly string[]) => Talk;
  /** Shared with all other requests to the provider. */
  readonly budget: Budget;
  readonly network: Network;
  readonly timings: WireTimings;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** From 0 to 1, for the jitter. */
  readonly random?: () => number;
}

/** One conversation. It knows the provider's messages and nothing of connections. */
export interface Talk {
  readonly url: string;
  /** What is sent as soon as the connection stands. */
  readonly greeting: readonly string[];
  /** What is sent again and again, for providers that want that from their clients. */
  readonly ping?: string;
  readonly trail: Trail;
  /** The provider has taken the subscription: it can be relied on. */
  readonly isReady: () => boolean;
  /**
   * @param cameAt Milliseconds since 1970, however late it is looked at; null when it waited on the way because
   * we were slow, for nobody knows how long.
   */
  readonly hear: (text: string, cameAt: number | null) => Heard;
}

export interface Heard {
  /** In the order in which they are true. */
  readonly items: readonly Item[];
  /** Who gave a sign of life: the market, the provider alone, or, by what cannot be understood, nobody. */
  readonly sign: 'market' | 'beat' | 'noise';
  /** Symbols that the provider does not take: they are not asked for again as long as they are wanted. */
  readonly refused?: readonly string[];
  /** The provider said that it will end the connection. */
  readonly isEnding?: boolean;
  /** Why the connection is of no use any more. */
  readonly fault?: Hiccup | undefined;
}

/** In milliseconds. */
export interface WireTimings {
  /** From dialling until the subscription is taken. */
  readonly answer: number;
  /** Without a sign of life of the provider the connection is cut. */
  readonly silence: number;
  /** So long may there be heartbeats alone. It doubles each time that it was in vain: some markets are quiet. */
  readonly marketSilence: number;
  /** A connection is replaced at this age at the latest: providers cut them after a day. */
  readonly lifetime: number;
  /** So long two connections hear the same before the older one ends. */
  readonly overlap: number;
  /** Longest wait after the first failure in a row; it doubles with each further one. */
  readonly firstBackoff: number;
  readonly longestBackoff: number;
  /** A connection that lasted so long was none of the failures in a row. */
  readonly settled: number;
  /** Shortest wait after a refusal that lies in who we are. */
  readonly refusal: number;
  /** Between two pings of ours. */
  readonly ping: number;
}

export const WIRE_TIMINGS: WireTimings = {
  answer: 10_000,
  silence: 10_000,
  marketSilence: 300_000,
  lifetime: 23 * 3_600_000,
  overlap: 3_000,
  firstBackoff: 1_000,
  longestBackoff: 60_000,
  settled: 30_000,
  refusal: 300_000,
  ping: 20_000,
};

/** Messages that may wait until the database has taken those before them. */
const MOST_WAITING = 1_000;
const LONGEST_MARKET_SILENCE = 3_600_000;

/** @throws nothing: whatever happens, it is told and tried again, until the signal aborts. */
export function followWire(wire: Wire, request: FollowRequest): AsyncGenerator<Item> {
  return pushed(request.signal, (signal, push) => hold(wire, { ...request, signal }, push));
}

type Push = (item: Item) => Promise<void>;

async function hold(wire: Wire, request: FollowRequest, push: Push): Promise<void> {
  const { signal } = request;
  const { timings, random = Math.random } = wire;
  const refused = new Set<string>();
  let failures = 0;
  /** How often the market was silent in vain. */
  let quiet = 0;
  let line: Line | undefined;
  let marks: Marks = new Map();
  while (!signal.aborted) {
    const { symbols: wanted, changed } = request.wanted();
    for (const symbol of refused) if (!wanted.includes(symbol)) refused.delete(symbol);
    const symbols = wanted.filter(symbol => !refused.has(symbol));
    try {
      if (symbols.length === 0) {
        line?.close();
        line = undefined;
        await untilAborted([signal, changed]);
        continue;
      }
      const marketSilence = Math.min(timings.marketSilence * 2 ** quiet, LONGEST_MARKET_SILENCE);
      const next = await openLine(wire, symbols, {
        signal,
        marketSilence,
        onMarket: () => {
          quiet = 0;
        },
        onRefused: symbol => refused.add(symbol),
        push,
        known: line === undefined ? marks : merge(marks, line.talk.trail.marks()),
      });
      const old: Line | undefined = line;
      if (old?.fault !== undefined) {
        await push(disconnected(old.fault, 0));
        marks = merge(marks, old.talk.trail.marks());
      }
      line = next;
      if (old === undefined || old.fault !== undefined) {
        await push(CONNECTED);
        for (const item of next.talk.trail.follow(marks)) await push(item);
        next.start(push);
      } else {
        next.start(push);
        await Promise.race([old.retire(), untilAborted([signal], next.ended)]);
        old.close();
        marks = merge(marks, old.talk.trail.marks());
        for (const item of next.talk.trail.follow(marks)) await push(item);
      }
      const age = new AbortController();
      const timer = setTimeout(() => age.abort(), timings.lifetime * (0.9 + 0.1 * random()));
      await untilAborted([signal, changed, age.signal, line.ending], line.ended);
      clearTimeout(timer);
      marks = merge(marks, line.talk.trail.marks());
      if (line.fault !== undefined) throw line.fault;
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof Hiccup)) throw error;
      if (error instanceof QuietMarket) quiet += 1;
      const hasSettled = line?.fault !== undefined && line.age() >= timings.settled;
      failures = hasSettled ? 1 : failures + 1;
      const { firstBackoff: first, longestBackoff: longest } = timings;
      const retryInMs = Math.round(backoff(failures, error, { first, longest, random }));
      if (error.retryAfter > 0) wire.budget.pause(error.retryAfter);
      // When the old connection still stands, only the new one has to wait.
      if (line === undefined || line.fault !== undefined) {
        line = undefined;
        await push(disconnected(error, retryInMs));
      }
      await delay(retryInMs, undefined, { signal }).catch(() => {});
    }
  }
}

const CONNECTED: Item = { kind: 'state', state: 'connected' };

const disconnected = (error: Error, retryInMs: number): Item => ({
  kind: 'state',
  state: 'disconnected',
  reason: error.message,
  retryInMs,
  isAsked: error instanceof Hiccup && error.retryAfter > 0,
});

/** Of each symbol the newer one. */
function merge(one: Marks, other: Marks): Marks {
  const all = new Map(one);
  for (const [symbol, mark] of other) {
    const before = all.get(symbol);
    if (before === undefined || before.id <= mark.id) all.set(symbol, mark);
  }
  return all;
}

/** Waits until one of the signals aborts or the other thing happens. */
async function untilAborted(signals: readonly AbortSignal[], other?: Promise<void>): Promise<void> {
  if (signals.some(signal => signal.aborted)) return;
  await new Promise<void>(resolve => {
    const done = () => {
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve();
    };
    for (const signal of signals) signal.addEventListener('abort', done);
    void other?.then(done);
  });
}

/** The provider lives, and its market says nothing. */
class QuietMarket extends Hiccup {}

/** One connection, whose subscription was taken. */
interface Line {
  readonly talk: Talk;
  /** Milliseconds since it was dialled. */
  readonly age: () => number;
  /** Resolves when it is over: by a fault, or because it was closed. */
  readonly ended: Promise<void>;
  readonly fault: Error | undefined;
  /** Aborts when the provider says that it will end it. */
  readonly ending: AbortSignal;
  /** Begins to say what came and comes. */
  readonly start: (push: Push) => void;
  /** Ends in a while: what it has said then and what its successor says overlap. */
  readonly retire: () => Promise<void>;
  readonly close: () => void;
}

interface LineOptions {
  readonly signal: AbortSignal;
  readonly marketSilence: number;
  readonly onMarket: () => void;
  readonly onRefused: (symbol: string) => void;
  /** For what is no matter of order. */
  readonly push: Push;
  /** The newest trades that were heard before. */
  readonly known: Marks;
}

async function openLine(
  wire: Wire,
  symbols: readonly string[],
  options: LineOptions,
): Promise<Line> {
  const { timings, budget } = wire;
  await budget.take(options.signal);
  const connection = new AbortController();
  const ending = new AbortController();
  const close = () => connection.abort();
  options.signal.addEventListener('abort', close);
  if (options.signal.aborted) close();
  const dialledAt = performance.now();
  const talk = wire.talk(symbols);
  talk.trail.recall(options.known);
  const inbox = dial(talk, wire, connection);
  const taken = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<Push>();
  let fault: Error | undefined;

  async function readAll(): Promise<void> {
    const patience = createPatience(timings.silence, connection);
    const held: Item[] = [];
    let marketAt = performance.now();
    let isBegun = false;
    while (!connection.signal.aborted) {
      const message = await patience.wait(() => inbox.next());
      if (message === END) return;
      const heard: Heard =
        message === PING ? { items: [], sign: 'beat' } : talk.hear(message.text, message.cameAt);
      patience.heard(heard.sign !== 'noise');
      for (const symbol of heard.refused ?? []) options.onRefused(symbol);
      if (heard.isEnding) ending.abort();
      for (const item of heard.items) {
        if (item.kind === 'rejected') await options.push(item);
        else held.push(item);
      }
      if (heard.sign === 'market') {
        marketAt = performance.now();
        options.onMarket();
      }
      if (held.length > MOST_WAITING * 10) throw new Hiccup('the subscription was not taken');
      if (talk.isReady() && heard.fault === undefined) taken.resolve();
      if (talk.isReady() && (heard.fault === undefined || isBegun)) {
        const push = await begun.promise;
        isBegun = true;
        for (const item of held.splice(0)) await push(item);
      }
      if (heard.fault !== undefined) throw heard.fault;
      if (performance.now() - marketAt > options.marketSilence) {
        const seconds = options.marketSilence / 1_000;
        throw new QuietMarket(`heartbeats came, but no trade and no quote for ${seconds} s`);
      }
    }
  }

  const ended = readAll()
    .catch((error: unknown) => {
      const { aborted, reason } = connection.signal;
      // What was closed by us ends with an error too.
      const isClosed = aborted && !(reason instanceof Hiccup);
      if (!isClosed) fault = error instanceof Error ? error : new Error(String(error));
    })
    .finally(() => {
      close();
      options.signal.removeEventListener('abort', close);
      taken.reject(fault ?? new Hiccup('the connection was closed'));
    });
  try {
    await within(timings.answer, connection, () => taken.promise);
  } catch (error) {
    close();
    begun.resolve(async () => undefined);
    throw error;
  }
  return {
    talk,
    age: () => performance.now() - dialledAt,
    ended,
    get fault() {
      return fault;
    },
    ending: ending.signal,
    start: begun.resolve,
    retire: () => {
      // Behind what came until then.
      const timer = setTimeout(() => inbox.add(END), timings.overlap);
      return ended.finally(() => clearTimeout(timer));
    },
    close,
  };
}

const PING = Symbol('a ping of the other side');
const END = Symbol('nothing that comes later matters');

type Message = { readonly text: string; readonly cameAt: number | null } | typeof PING | typeof END;

interface Inbox {
  /** The next message. @throws {Hiccup} when the connection is over. */
  readonly next: () => Promise<Message>;
  readonly add: (message: Message) => void;
}

function dial(talk: Talk, { timings, now, network }: Wire, connection: AbortController): Inbox {
  const waiting: Message[] = [];
  let fault: Error | undefined;
  let wake = () => {};
  let pinging: NodeJS.Timeout | undefined;

  const end = (error: Error) => {
    fault ??= error;
    clearInterval(pinging);
    wake();
  };
  const add = (message: Message) => {
    waiting.push(message);
    if (waiting.length >= MOST_WAITING) socket.pause();
    wake();
  };
  const ears = {
    onOpen: () => {
      for (const text of talk.greeting) socket.send(text);
      if (talk.ping === undefined) return;
      const { ping } = talk;
      pinging = setInterval(() => socket.send(ping), timings.ping);
    },
    onMessage: (text: string, cameAt: number | null) => add({ text, cameAt }),
    onPing: () => add(PING),
    onEnd: (how: SocketEnd) => end(describeEnd(how, timings)),
  };
  const socket = network.socket(talk.url, ears, heard =>
    openSocket(talk.url, { deadlineMs: timings.answer, now }, heard),
  );
  const leave = () => {
    const { reason } = connection.signal;
    end(reason instanceof Error ? reason : new Hiccup('the connection was closed'));
    socket.close();
  };
  connection.signal.addEventListener('abort', leave);
  if (connection.signal.aborted) leave();

  return {
    add,
    next: async () => {
      for (;;) {
        const message = waiting.shift();
        if (message !== undefined) {
          if (waiting.length === 0) socket.resume();
          return message;
        }
        if (fault !== undefined) throw fault;
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      }
    },
  };
}

function describeEnd(how: SocketEnd, timings: WireTimings): Hiccup {
  switch (how.kind) {
    case 'refused':
      return describeRefusal(how.status, how.retryAfter, timings);
    case 'failed':
      return new Hiccup(`the connection failed (${how.why})`);
    case 'closed': {
      const told = how.words === '' ? String(how.code) : `${how.code}, ${how.words}`;
      return new Hiccup(`the connection was closed by the other side (${told})`);
    }
  }
}

/** Nobody who needs no key can mend a refusal: the address, or the country, is not liked now. */
function describeRefusal(status: number, retryAfter: string | null, timings: WireTimings): Hiccup {
  const told = readRetryAfter(retryAfter, Date.now());
  const isPassing = status === 429 || status === 408 || status >= 500;
  return new Hiccup(`HTTP ${status}`, isPassing ? told : Math.max(told, timings.refusal));
}
