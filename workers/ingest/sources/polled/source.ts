import { setTimeout as delay } from 'node:timers/promises';
import type { PublicHosts } from '../../../public_host.ts';
import { pushed } from '../../channel.ts';
import { backoff, Hiccup } from '../../connection.ts';
import { parseExactly } from '../../json.ts';
import { liveNetwork, type Network } from '../../network.ts';
import {
  type FollowRequest,
  type Instrument,
  type Item,
  type Source,
  SourceError,
  type Tick,
} from '../../source.ts';
import { oneLine, quote } from '../../text.ts';
import { isSymbol, toSayAgain } from '../../tick.ts';
import { fromEpochMilliseconds } from '../../time.ts';
import { isRejection, toItems } from '../../trade.ts';
import { createTrail } from '../../trail.ts';
import { type Read, readAnswer, symbolOf } from './answer.ts';
import { Absent, createClient, Flooded, type Told } from './client.ts';
import { type FilledHeaders, fillHeaders, type Row, readRow } from './row.ts';

/** What came of asking, for the operator. */
export interface Outcome {
  readonly works: boolean;
  readonly words: string;
}

export interface PolledOptions {
  /** Of its row. */
  readonly name: string;
  /** The row as it is now; null when there is none. */
  readonly readRow: () => Promise<unknown>;
  readonly tell: (outcome: Outcome) => Promise<void>;
  /** Prices of a symbol have so many digits after the point, more than any before. */
  readonly showDigits?: (symbol: string, digits: number) => Promise<void>;
  readonly hosts: PublicHosts;
  /** What a header may carry, by name. */
  readonly tokens: Readonly<Record<string, string>>;
  readonly timings?: Partial<PolledTimings>;
  readonly network?: Network;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** From 0 to 1, for the jitter of the back-off. */
  readonly random?: () => number;
}

/** In milliseconds. */
export interface PolledTimings {
  /** A request that is not answered for this long has failed. */
  readonly answer: number;
  /** How often the row is looked at. */
  readonly look: number;
  readonly firstBackoff: number;
  readonly longestBackoff: number;
  /** So long who refused us is left alone at least. */
  readonly refusal: number;
  /** Instead of what the row says. */
  readonly every?: number;
}

const TIMINGS: PolledTimings = {
  answer: 15_000,
  look: 2_000,
  firstBackoff: 1_000,
  longestBackoff: 60_000,
  refusal: 60_000,
};

/** An address tells no precision: it is that of its prices, and at least this. */
const LEAST_DIGITS = 5;

/**
 * A source that a row describes: what its URL answers is read again and again. Between two answers anything may have
 * happened, so nothing is covered, except where ids that grow by one prove it. The provider has no past.
 */
export async function createPolled(options: PolledOptions): Promise<Source> {
  const row = await currentRow(options);
  return {
    name: options.name,
    description: row.description,
    isSimulated: false,
    instruments: async symbols => {
      const wrong = symbols.find(symbol => !isSymbol(symbol));
      if (wrong !== undefined) throw new SourceError(`${quote(wrong)} is no symbol`);
      const { symbols: own, calendar } = await currentRow(options);
      return (symbols.length > 0 ? symbols : Object.keys(own)).map(
        (symbol): Instrument => ({
          symbol,
          description: '',
          pricePrecision: LEAST_DIGITS,
          ...(calendar !== null && { calendar }),
        }),
      );
    },
    follow: request =>
      pushed(request.signal, (signal, push) => listen(options, { ...request, signal }, push)),
  };
}

/** @throws {SourceError} when there is none, or it says nothing that can be done. */
async function currentRow({ name, readRow: read }: PolledOptions): Promise<Row> {
  const told = await read();
  if (told === null || told === undefined) {
    throw new SourceError(
      `there is no polled source ${name}: select feed.add_polled_source(...) makes one`,
    );
  }
  try {
    return readRow(told);
  } catch (error) {
    throw new SourceError(`feed.polled_sources of ${name}: ${(error as Error).message}`);
  }
}

type Push = (item: Item) => Promise<void>;

/** A URL, and whom its answer tells of. */
interface Question {
  readonly url: string;
  readonly symbols: readonly string[];
}

/** What an answer was good for, in words for the operator. */
interface Judgement {
  readonly faults: readonly string[];
  readonly heard: readonly string[];
}

const questionsOf = (row: Row, symbols: readonly string[]): readonly Question[] =>
  row.url.includes('{symbol}')
    ? symbols.map(symbol => ({
        url: row.url.replaceAll('{symbol}', encodeURIComponent(symbolOf(row, symbol))),
        symbols: [symbol],
      }))
    : [{ url: row.url, symbols }];

async function listen(options: PolledOptions, request: FollowRequest, push: Push): Promise<void> {
  const { signal } = request;
  const { network = liveNetwork, now = network.now, random = Math.random } = options;
  const timings = { ...TIMINGS, ...options.timings };
  const client = createClient({
    hosts: options.hosts,
    deadline: timings.answer,
    refusal: timings.refusal,
    network,
    now,
  });
  const ears = createEars(push);
  const shown = new Map<string, number>();
  /** What was made of the last answer of each URL. */
  const judgements = new Map<string, Judgement>();
  let content = '';
  let wanted = '';
  let told = '';
  let failures = 0;
  let isConnected: boolean | undefined;
  let dueAt = 0;
  /** The provider wants to be left alone until then, whoever is to be followed. */
  let aloneUntil = 0;
  /** Rounds in a row in which we had asked too often, though it had answered before. */
  let floods = 0;
  /** How many questions of a round are left for its end: the next one begins after the one that ended the last. */
  let begunAt = 0;

  async function tell(works: boolean, words: string): Promise<void> {
    // Of what works the words are those of the first time.
    const said = works ? 'works' : words;
    if (said === told) return;
    told = said;
    await options.tell({ works, words }).catch(() => {
      told = '';
    });
  }

  const { firstBackoff: first, longestBackoff: longest } = timings;
  const waitAfter = (count: number, last: Hiccup): number =>
    Math.round(backoff(count, last, { first, longest, random }));

  async function showDigits(symbol: string, read: readonly Read[]): Promise<void> {
    const digits = Math.max(...read.map(each => each.decimals), shown.get(symbol) ?? LEAST_DIGITS);
    if (digits === (shown.get(symbol) ?? LEAST_DIGITS)) return;
    await options.showDigits?.(symbol, digits).then(
      () => shown.set(symbol, digits),
      () => undefined,
    );
  }

  async function fail(hiccup: Hiccup): Promise<void> {
    failures += 1;
    const retryInMs = waitAfter(failures, hiccup);
    isConnected = false;
    dueAt = performance.now() + retryInMs;
    if (hiccup.retryAfter > 0) aloneUntil = dueAt;
    // Of a row that was tried the state of the source tells.
    if (told === '') await tell(false, hiccup.message);
    const isAsked = hiccup.retryAfter > 0;
    await push({
      kind: 'state',
      state: 'disconnected',
      reason: hiccup.message,
      retryInMs,
      isAsked,
    });
  }

  while (!signal.aborted) {
    const { symbols, changed } = request.wanted();
    const row = await currentRow(options).catch((error: unknown) => {
      if (error instanceof SourceError) throw error;
      return undefined;
    });
    if (row !== undefined) {
      const { status, ...rest } = row;
      const seen = JSON.stringify(rest);
      if (status === 'untried' && told !== '') {
        told = '';
        dueAt = 0;
      }
      if (seen !== content || symbols.join() !== wanted) {
        if (seen !== content) {
          ears.forget();
          failures = 0;
          floods = 0;
          aloneUntil = 0;
          told = '';
        }
        client.forget();
        judgements.clear();
        content = seen;
        wanted = symbols.join();
        dueAt = 0;
      }
      if (symbols.length > 0 && performance.now() >= Math.max(dueAt, aloneUntil)) {
        dueAt = performance.now() + (timings.every ?? row.poll_every_ms);
        const hiccup = await round(row, symbols);
        if (hiccup !== undefined && !signal.aborted) await fail(hiccup);
      }
    }
    const left = Math.max(dueAt, aloneUntil) - performance.now();
    const isIdle = row === undefined || symbols.length === 0;
    await rest(
      [signal, changed],
      isIdle ? timings.look : Math.max(1, Math.min(timings.look, left)),
    );
  }

  /** @returns why nobody was heard. */
  async function round(row: Row, symbols: readonly string[]): Promise<Hiccup | undefined> {
    let headers: FilledHeaders;
    try {
      headers = fillHeaders(row.headers, options.tokens);
    } catch (error) {
      return new Hiccup((error as Error).message, timings.refusal);
    }
    const faults: string[] = [];
    const heard: string[] = [];
    let fault: Hiccup | undefined;
    let isHeard = false;
    let isWhole = true;
    const questions = questionsOf(row, symbols);
    const start = begunAt % questions.length;
    for (const [index, question] of [
      ...questions.slice(start),
      ...questions.slice(0, start),
    ].entries()) {
      try {
        const told = await client.ask(question.url, headers, signal);
        const judged = await hear(row, question, told, headers);
        isHeard = true;
        faults.push(...judged.faults);
        heard.push(...judged.heard);
      } catch (error) {
        if (signal.aborted) return undefined;
        if (!(error instanceof Hiccup)) throw error;
        fault ??= error;
        faults.push(`${question.symbols.join(', ')}: ${error.message}`);
        const isFlooded = error instanceof Flooded;
        if (isHeard && isFlooded) floods += 1;
        const wait = isHeard && isFlooded ? waitAfter(floods, error) : error.retryAfter;
        if (wait > 0) aloneUntil = performance.now() + wait;
        // Who wants to be left alone, or cannot be reached, is not asked about the others, but about them first later.
        if (!(error instanceof Absent) || wait > 0) {
          begunAt = start + index + 1;
          isWhole = false;
          break;
        }
      }
    }
    if (!isHeard && fault !== undefined) return fault;
    failures = 0;
    if (isWhole) floods = 0;
    if (isConnected !== true) await push({ kind: 'state', state: 'connected' });
    isConnected = true;
    const [words] = faults;
    if (words === undefined) await tell(true, `it told of ${heard.join('; ')}`);
    else await tell(false, words);
    return undefined;
  }

  async function hear(
    row: Row,
    { url, symbols }: Question,
    { text, cameAt: at }: Told,
    { secrets }: FilledHeaders,
  ): Promise<Judgement> {
    const hide = (words: string) => hideSecrets(words, secrets);
    const json = text === null ? null : parseExactly(text);
    if (json === undefined) {
      client.forget();
      throw new Hiccup('the answer is not JSON');
    }
    const faults: string[] = [];
    const heard: string[] = [];
    for (const symbol of symbols) {
      const asked = { row, symbol, receivedAt: fromEpochMilliseconds(at), now: at, hide };
      const read = text === null ? null : readAnswer(json, asked);
      await ears.hear(symbol, read);
      if (read !== null) await showDigits(symbol, read);
      const bad = read?.map(({ tick }) => tick).find(isRejection);
      if (bad !== undefined) faults.push(`${symbol}: ${bad.reason}, ${bad.detail}`);
      else if (read?.length === 0 && row.symbol_path !== null) {
        faults.push(`${symbol}: the answer has no item of ${quote(symbolOf(row, symbol))}`);
      } else heard.push(describe(symbol, read));
    }
    const before = judgements.get(url);
    if (text === null && before !== undefined) return before;
    const judged = { faults: faults.map(each => oneLine(each, 400)), heard };
    judgements.set(url, judged);
    return judged;
  }
}

function describe(symbol: string, read: readonly Read[] | null): string {
  const tick = read?.at(-1)?.tick;
  if (tick === undefined || isRejection(tick)) return `${symbol}, nothing yet`;
  const prices = (['bid', 'ask', 'last', 'size'] as const).flatMap(side =>
    tick[side] === null ? [] : [`${side} ${tick[side]}`],
  );
  return `${symbol}, ${prices.join(', ')} at ${tick.observedAt}`;
}

/** What was heard of each instrument, so that only what is new is said. */
interface Ears {
  readonly hear: (symbol: string, read: readonly Read[] | null) => Promise<void>;
  readonly forget: () => void;
}

function createEars(push: Push): Ears {
  let trail = createTrail();
  let known = new Map<string, { readonly keys: ReadonlySet<string>; readonly last?: Tick }>();

  async function hear(symbol: string, read: readonly Read[] | null): Promise<void> {
    const before = known.get(symbol);
    const all = read ?? [];
    const fresh = all.filter(({ key }) => before?.keys.has(key) !== true);
    const good = fresh.flatMap(({ tick }) => (isRejection(tick) ? [] : [tick]));
    const last = toSayAgain(before?.last, good);
    if (read !== null) {
      const keys = new Set(all.map(({ key }) => key));
      known.set(symbol, { keys, ...(last !== undefined && { last }) });
    }
    const items = toItems(fresh.map(({ tick }) => tick));
    for (const item of items) await push(item);
    // Said again it is stored no second time, and shows that the source lives.
    if (items.length === 0 && last !== undefined) {
      await push({ kind: 'ticks', ticks: [last] });
    }
    for (const { mark } of fresh) {
      if (mark === null) continue;
      for (const item of trail.trade(symbol, mark)) await push(item);
    }
  }

  return {
    hear,
    forget: () => {
      trail = createTrail();
      known = new Map();
    },
  };
}

/** Also as they stand in JSON. */
function hideSecrets(text: string, secrets: readonly string[]): string {
  return secrets
    .flatMap(secret => [secret, JSON.stringify(secret).slice(1, -1)])
    .reduce((told, secret) => told.replaceAll(secret, '***'), text);
}

async function rest(signals: readonly AbortSignal[], milliseconds: number): Promise<void> {
  const signal = AbortSignal.any([...signals]);
  await delay(milliseconds, undefined, { signal }).catch(() => undefined);
}
