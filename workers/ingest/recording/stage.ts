import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';
import { Hiccup } from '../connection.ts';
import type { Answer, ByteReader, Network, SocketEars } from '../network.ts';
import { type Entry, type OfConnection, type Place, placeOf } from './entries.ts';

/** A network on which a recording is heard instead of the provider. */
export interface Stage {
  readonly network: Network;
  /** Lets the source hear the next entry, when it has asked for it. @param poke Makes it replace its connection. */
  readonly play: (entry: Entry, poke: () => void) => Promise<void>;
  /** How many answers and connections nobody asked for. */
  readonly unheard: () => number;
}

/** What the source waits for. */
interface Waiting {
  readonly kind: 'answer' | 'connection';
  readonly place: Place;
  readonly hear: (what: Heard) => void;
}

type Heard = Extract<Entry, { readonly asked: Place }> | Rest;
type Rest = Exclude<OfConnection, { readonly opened: Place }> & { readonly at: string };

/** Turns of the event loop in which a source that does so at all asks again. */
const TURNS_FOR_ANSWER = 30;
const TURNS_FOR_CONNECTION = 300;
/** After so many another place will do. */
const TURNS_BEFORE_ANY = 5;
/** After so many whoever has a connection is not about to dial by itself. */
const TURNS_BEFORE_POKE = 20;
/** Answers that came before they were asked for, in characters. */
const MOST_PARKED = 64 * 2 ** 20;

/** @param hide The same as in the recording. */
export function createStage(hide: (text: string) => string): Stage {
  const waiting = new Set<Waiting>();
  /** Who hears a connection; null: nobody. */
  const heard = new Map<number, Waiting | null>();
  /** Those whose beginning is told again here, and had not been told. */
  const again = new Set<number>();
  const parked: Extract<Heard, { readonly asked: Place }>[] = [];
  let parkedLength = 0;
  let evicted = 0;
  let at = 0;

  const isSame = (one: Place, other: Place) => one.path === other.path && one.mark === other.mark;
  const sizeOf = (entry: (typeof parked)[number]) =>
    'answer' in entry ? entry.answer.text.length : 0;

  async function untilAsked(
    kind: Waiting['kind'],
    place: Place,
    turns: number,
    poke: () => void = () => undefined,
  ): Promise<Waiting | undefined> {
    for (let turn = 0; turn < turns; turn++) {
      const asked = [...waiting].filter(each => each.kind === kind);
      // Settings may have led to another host, where the path is another one.
      const isOnly = kind === 'connection' && turn >= TURNS_BEFORE_ANY && asked.length === 1;
      const found = asked.find(each => isOnly || isSame(each.place, place));
      if (found !== undefined) {
        waiting.delete(found);
        return found;
      }
      const isHeld = [...heard.values()].some(who => who !== null);
      if (turn === TURNS_BEFORE_POKE && isHeld && asked.length === 0) poke();
      await delay(1);
    }
    return undefined;
  }

  async function playAnswer(entry: (typeof parked)[number]): Promise<void> {
    const asking = await untilAsked('answer', entry.asked, TURNS_FOR_ANSWER);
    if (asking !== undefined) {
      asking.hear(entry);
      return;
    }
    parked.push(entry);
    parkedLength += sizeOf(entry);
    while (parkedLength > MOST_PARKED) {
      const oldest = parked.shift();
      parkedLength -= oldest === undefined ? 0 : sizeOf(oldest);
      evicted += 1;
    }
  }

  async function playConnection(
    entry: Extract<Entry, OfConnection>,
    poke: () => void,
  ): Promise<void> {
    const { connection, isAgain } = entry;
    if ('opened' in entry) {
      if (heard.has(connection)) return;
      const turns = TURNS_FOR_CONNECTION;
      const asking = await untilAsked('connection', entry.opened, turns, poke);
      heard.set(connection, asking ?? null);
      if (isAgain) again.add(connection);
      return;
    }
    if (isAgain && !again.has(connection)) return;
    heard.get(connection)?.hear(entry);
    if ('end' in entry) heard.delete(connection);
  }

  /** @param signal Aborts when nobody waits for it any more. */
  function wait(asking: Waiting, signal?: AbortSignal): void {
    waiting.add(asking);
    signal?.addEventListener('abort', () => waiting.delete(asking), { once: true });
  }

  const network: Network = {
    isRecorded: true,
    now: () => at,
    answer({ url, signal }) {
      const place = placeOf(url, hide);
      const found = parked.findIndex(({ asked }) => isSame(asked, place));
      const [entry] = found < 0 ? [] : parked.splice(found, 1);
      if (entry !== undefined) {
        parkedLength -= sizeOf(entry);
        at = Date.parse(entry.at);
        return answerOf(entry);
      }
      return new Promise((resolve, reject) => {
        const hear = (what: Heard) => 'asked' in what && resolve(answerOf(what));
        wait({ kind: 'answer', place, hear }, signal);
        rejectOnAbort(signal, reject);
      });
    },
    stream: ({ url, signal }) =>
      new Promise((resolve, reject) => {
        const pieces = createPieces(signal);
        const hear = (what: Heard) => {
          if ('begun' in what) resolve(pieces.reader);
          else if ('text' in what) pieces.add(Buffer.from(what.text));
          else if ('bytes' in what) pieces.add(Buffer.from(what.bytes, 'base64'));
          else if (!('end' in what)) return;
          else if (what.end.kind === 'answered') resolve(unhurried(what.end.answer, what.at));
          else {
            const { end } = what;
            const why = end.kind === 'failed' ? end.why : undefined;
            reject(new Hiccup(why ?? 'the connection was closed'));
            pieces.end(why);
          }
        };
        wait({ kind: 'connection', place: placeOf(url, hide), hear }, signal);
        rejectOnAbort(signal, reject);
      }),
    socket(url, ears) {
      let isClosed = false;
      const hear = (what: Heard) => {
        if (!isClosed) tellEars(ears, what);
      };
      const asking: Waiting = { kind: 'connection', place: placeOf(url, hide), hear };
      wait(asking);
      return {
        send: () => undefined,
        pause: () => undefined,
        resume: () => undefined,
        close: () => {
          isClosed = true;
          waiting.delete(asking);
        },
      };
    },
  };

  return {
    network,
    async play(entry, poke) {
      at = Date.parse(entry.at);
      if ('recording' in entry) again.clear();
      else if ('asked' in entry) await playAnswer(entry);
      else if ('connection' in entry) await playConnection(entry, poke);
      // What it says to that, it says in this turn.
      await nextTurn();
    },
    unheard: () => evicted + parked.length + [...heard.values()].filter(who => who === null).length,
  };
}

async function answerOf(entry: Extract<Heard, { readonly asked: Place }>): Promise<Answer> {
  if ('failed' in entry) throw new Hiccup(entry.failed);
  return unhurried(entry.answer, entry.at);
}

/** Nobody is to be waited for. */
const unhurried = (answer: Omit<Answer, 'cameAt'>, at: string): Answer => ({
  ...answer,
  retryAfter: null,
  cameAt: Date.parse(at),
});

function tellEars(ears: SocketEars, what: Heard): void {
  if ('begun' in what) ears.onOpen();
  else if ('text' in what) ears.onMessage(what.text, what.isLate ? null : Date.parse(what.at));
  else if ('end' in what && what.end.kind !== 'answered') {
    ears.onEnd(what.end.kind === 'refused' ? { ...what.end, retryAfter: null } : what.end);
  }
}

function rejectOnAbort(signal: AbortSignal, reject: (reason: unknown) => void): void {
  if (signal.aborted) reject(signal.reason);
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
}

function createPieces(signal: AbortSignal) {
  const pieces: Uint8Array[] = [];
  let end: { readonly why: string | undefined } | undefined;
  let wake = (): void => undefined;
  const reader: ByteReader = {
    async read() {
      for (;;) {
        signal.throwIfAborted();
        const value = pieces.shift();
        if (value !== undefined) return { value: value as Uint8Array<ArrayBuffer>, done: false };
        if (end?.why !== undefined) throw new Hiccup(end.why);
        if (end !== undefined) return { value: undefined, done: true };
        await new Promise<void>(resolve => {
          wake = resolve;
          signal.addEventListener('abort', () => resolve(), { once: true });
        });
      }
    },
  };
  return {
    reader,
    add(piece: Uint8Array): void {
      pieces.push(piece);
      wake();
    },
    end(why: string | undefined): void {
      end = { why };
      wake();
    },
  };
}
