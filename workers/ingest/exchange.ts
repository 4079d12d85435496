import { setTimeout as delay } from 'node:timers/promises';
import { type Budget, type BudgetOptions, createBudget, noBudget } from './budget.ts';
import { backoff, Hiccup, Refusal } from './connection.ts';
import { createHttp } from './http.ts';
import { type InstrumentList, pickInstruments } from './instruments.ts';
import { parseExactly } from './json.ts';
import type { Network } from './network.ts';
import type {
  FollowRequest,
  Gap,
  Instrument,
  Item,
  OnAlone,
  RepairItem,
  RepairRequest,
  Skipped,
  Source,
} from './source.ts';
import type { WireTimings } from './websocket.ts';

/** What may be said to an exchange's source when it is made. */
export interface ExchangeOptions {
  /** Instead of the provider's hosts: a fake server or a proxy. */
  readonly streamUrl?: string | undefined;
  readonly apiUrl?: string | undefined;
  readonly timings?: Partial<WireTimings>;
  readonly listWaits?: readonly number[];
  readonly network?: Network;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** From 0 to 1, for the jitter of the back-off. */
  readonly random?: () => number;
}

/** What every exchange has: a list of what is traded, a stream, and an address that answers about the past. */
export interface Exchange {
  /** The name of the source, and as a sentence calls it. */
  readonly name: string;
  readonly label: string;
  readonly description: string;
  readonly watchlist: readonly string[];
  /** Our symbol of what people call it, for those whose own symbols are not ours. */
  readonly toSymbol?: (text: string) => string;
  readonly fetchList: (signal?: AbortSignal) => Promise<InstrumentList>;
  readonly follow: (request: FollowRequest) => AsyncIterable<Item>;
  readonly repair: (gap: Gap, request: RepairRequest) => AsyncIterable<RepairItem>;
  /** Waits between tries to get the list, in milliseconds; it is tried as often as there are waits, and once. */
  readonly listWaits?: readonly number[];
}

const LIST_WAITS = [1_000, 2_000, 4_000, 8_000];
/** Who asks about each symbol alone asks about the same list. */
const LIST_LASTS_MS = 30_000;

export function createExchange(exchange: Exchange): Source {
  const { name, label, description, watchlist, toSymbol = text => text } = exchange;
  let list: { readonly answer: Promise<InstrumentList>; readonly askedAt: number } | undefined;

  async function fetchList(signal?: AbortSignal, onAlone?: OnAlone): Promise<InstrumentList> {
    const waits = exchange.listWaits ?? LIST_WAITS;
    for (let failures = 1; ; failures++) {
      try {
        return await exchange.fetchList(signal);
      } catch (error) {
        if (!(error instanceof Hiccup || error instanceof Refusal)) throw error;
        if (error instanceof Hiccup && error.retryAfter > 0) {
          onAlone?.(error.retryAfter, error.message);
        }
        const first = waits[failures - 1];
        if (first === undefined || signal?.aborted) {
          throw new Error(`${label} cannot be reached: ${error.message}`, { cause: error });
        }
        const last = error instanceof Hiccup ? error : new Hiccup(error.message);
        const wait = backoff(1, last, { first, longest: first });
        await delay(wait, undefined, signal && { signal }).catch(() => undefined);
      }
    }
  }

  function recentList(signal?: AbortSignal, onAlone?: OnAlone): Promise<InstrumentList> {
    if (list === undefined || performance.now() - list.askedAt > LIST_LASTS_MS) {
      const answer = fetchList(signal, onAlone);
      const asked = { answer, askedAt: performance.now() };
      list = asked;
      answer.catch(() => {
        if (list === asked) list = undefined;
      });
    }
    return list.answer;
  }

  async function instruments(
    asked: readonly string[],
    signal?: AbortSignal,
    onSkipped?: (skipped: readonly Skipped[]) => void,
    onAlone?: OnAlone,
  ): Promise<readonly Instrument[]> {
    const { instruments: all, skipped } = await recentList(signal, onAlone);
    // Who has a WebSocket for everybody trades day and night.
    const listed = all.map(instrument => ({ calendar: 'always', ...instrument }));
    if (asked.length === 0) {
      return watchlist.flatMap(symbol => listed.find(each => each.symbol === symbol) ?? []);
    }
    const names = [...new Set(asked)].map(text => ({ text, symbol: toSymbol(text) }));
    return pickInstruments({ instruments: listed, skipped }, names, { label, onSkipped });
  }

  const { follow, repair } = exchange;
  return { name, description, isSimulated: false, instruments, follow, repair };
}

/** Asks a provider's REST interface. Numbers come as text; see `parseExactly`. */
export interface Desk {
  readonly budget: Budget;
  /** @throws {Hiccup} when trying again may help. @throws {Refusal} when not. */
  readonly ask: (path: string, signal?: AbortSignal) => Promise<unknown>;
}

export interface DeskOptions {
  readonly url: string;
  readonly network: Network;
  readonly limits: BudgetOptions;
  readonly deadlineMs?: number;
  /** Where the provider's words are in a refusal. */
  readonly wordsIn?: (json: unknown) => unknown;
  /** Statuses of the provider's own after which trying again may help. */
  readonly passing?: readonly number[];
}

export function createDesk({
  url,
  network,
  limits,
  deadlineMs = 10_000,
  passing = [],
  wordsIn = () => undefined,
}: DeskOptions): Desk {
  const budget = network.isRecorded ? noBudget : createBudget(limits);
  const http = createHttp({ parse: parseExactly, passing, wordsIn, network });
  const base = url.replace(/\/+$/, '');
  return {
    budget,
    ask: async (path, signal) => {
      await budget.take(signal);
      try {
        return await http.json(base + path, { deadlineMs, signal });
      } catch (error) {
        if (error instanceof Hiccup && error.retryAfter > 0) budget.pause(error.retryAfter);
        throw error;
      }
    },
  };
}
