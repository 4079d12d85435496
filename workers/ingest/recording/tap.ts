import { randomBytes } from 'node:crypto';
import {
  type Answer,
  type ByteReader,
  isAnswer,
  liveNetwork,
  type Network,
  type SocketEars,
  type SocketEnd,
} from '../network.ts';
import type { Source } from '../source.ts';
import {
  createHide,
  type Entry,
  type Head,
  longestOf,
  type OfConnection,
  placeOf,
  writeGap,
} from './entries.ts';

/** Tells a recording all that a source hears and is asked, in its order; the source hears the same. */
export interface Tap {
  readonly network: Network;
  /** The source, which has this network, as others are to ask it. Nothing is told before. */
  readonly listenTo: (source: Source) => Source;
  /** What whoever begins to read now has to know. */
  readonly context: () => Entry[];
}

/** How much of each connection's beginning is told again to whoever begins to read later, in characters. */
const BEGINNING = 64 * 1_024;
/** Longer than any line that a source reads. */
const LONGEST_LINE = 2 ** 20;

export interface TapOptions {
  /** What is never told. */
  readonly secrets: readonly string[];
  readonly write: (entry: Entry) => void;
}

export function createTap({ secrets, write }: TapOptions): Tap {
  const hide = createHide(secrets);
  const session = randomBytes(8).toString('hex');
  const beginnings = new Map<number, { entries: Entry[]; size: number }>();
  let heard: Pick<Head, 'source' | 'mode'> = { source: '' };
  let wanted: readonly string[] = [];
  let connections = 0;

  const timeOf = (at: number) => new Date(at).toISOString();
  const now = () => timeOf(Date.now());

  function tell(told: OfConnection, at = now()): void {
    const entry: Entry = { at, ...told };
    write(entry);
    const { connection } = told;
    if ('opened' in told) beginnings.set(connection, { entries: [], size: 0 });
    const beginning = beginnings.get(connection);
    if ('end' in told) beginnings.delete(connection);
    else if (beginning !== undefined && beginning.size < BEGINNING) {
      beginning.entries.push(entry);
      beginning.size += JSON.stringify(entry).length;
    }
  }

  function tellBytes(connection: number, bytes: Buffer): void {
    const text = bytes.toString();
    if (Buffer.from(text).equals(bytes)) tell({ connection, text: hide(text) });
    else {
      const hidden = Buffer.from(hide(bytes.toString('latin1')), 'latin1');
      tell({ connection, bytes: hidden.toString('base64') });
    }
  }

  const written = ({ cameAt: _, text, ...answer }: Answer) => ({ ...answer, text: hide(text) });
  const words = (error: unknown) => hide(error instanceof Error ? error.message : String(error));

  /** Bytes as whole lines, so that no secret is cut in two. */
  function tellLines(connection: number) {
    const longest = longestOf(secrets);
    let rest = Buffer.alloc(0);
    return {
      add(bytes: Uint8Array): void {
        rest = Buffer.concat([rest, bytes]);
        let end = rest.lastIndexOf(0x0a) + 1;
        if (end === 0 && rest.length > LONGEST_LINE) {
          // What is whole of them is hidden before it is cut, and what is not begins behind the cut.
          rest = Buffer.from(hide(rest.toString('latin1')), 'latin1');
          end = Math.max(0, rest.length - longest);
        }
        if (end > 0) tellBytes(connection, rest.subarray(0, end));
        rest = rest.subarray(end);
      },
      finish(): void {
        if (rest.length > 0) tellBytes(connection, rest);
        rest = Buffer.alloc(0);
      },
    };
  }

  function listen(connection: number, reader: ByteReader): ByteReader {
    const lines = tellLines(connection);
    return {
      async read() {
        try {
          const piece = await reader.read();
          if (piece.done) {
            lines.finish();
            tell({ connection, end: { kind: 'closed', code: 0, words: '' } });
          } else lines.add(piece.value);
          return piece;
        } catch (error) {
          lines.finish();
          tell({ connection, end: { kind: 'failed', why: words(error) } });
          throw error;
        }
      },
    };
  }

  const network: Network = {
    isRecorded: false,
    now: liveNetwork.now,
    async answer({ url }, live) {
      const asked = placeOf(url, hide);
      try {
        const answer = await live();
        write({ at: timeOf(answer.cameAt), asked, answer: written(answer) });
        return answer;
      } catch (error) {
        write({ at: now(), asked, failed: words(error) });
        throw error;
      }
    },
    async stream({ url }, live) {
      const connection = ++connections;
      tell({ connection, opened: placeOf(url, hide) });
      try {
        const told = await live();
        if (isAnswer(told)) {
          tell({ connection, end: { kind: 'answered', answer: written(told) } });
          return told;
        }
        tell({ connection, begun: true });
        return listen(connection, told);
      } catch (error) {
        tell({ connection, end: { kind: 'failed', why: words(error) } });
        throw error;
      }
    },
    socket(url, ears, live) {
      const connection = ++connections;
      let isOver = false;
      const tellEnd = (end: SocketEnd) => {
        if (!isOver) tell({ connection, end });
        isOver = true;
      };
      tell({ connection, opened: placeOf(url, hide) });
      const recording: SocketEars = {
        onOpen: () => {
          tell({ connection, begun: true });
          ears.onOpen();
        },
        onMessage: (text, cameAt) => {
          const isLate = cameAt === null ? ({ isLate: true } as const) : {};
          tell({ connection, text: hide(text), ...isLate }, timeOf(cameAt ?? Date.now()));
          ears.onMessage(text, cameAt);
        },
        onPing: ears.onPing,
        onEnd: end => {
          tellEnd(end.kind === 'closed' ? { ...end, words: hide(end.words) } : end);
          ears.onEnd(end);
        },
      };
      const socket = live(recording);
      return {
        ...socket,
        close: () => {
          // Not when the network says so, which is later: the source goes on at once.
          tellEnd({ kind: 'closed', code: 1_006, words: 'by us' });
          socket.close();
        },
      };
    },
  };

  function listenTo(source: Source): Source {
    const { name, mode, repair } = source;
    heard = { source: name, ...(mode !== undefined && { mode }) };
    return {
      ...source,
      follow: request =>
        source.follow({
          ...request,
          wanted: () => {
            const told = request.wanted();
            if (told.symbols.join() !== wanted.join()) {
              wanted = told.symbols;
              write({ at: now(), wanted });
            }
            return told;
          },
        }),
      ...(repair && {
        repair: (gap, request) => {
          write({ at: now(), repair: writeGap(gap) });
          return repair(gap, request);
        },
      }),
    };
  }

  return {
    network,
    listenTo,
    context: () => [
      { at: now(), recording: 1, ...heard, session },
      { at: now(), wanted },
      ...[...beginnings.values()].flatMap(({ entries }) =>
        entries.map((entry): Entry => ({ ...entry, isAgain: true })),
      ),
    ],
  };
}
