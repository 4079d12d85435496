import { createHash } from 'node:crypto';
import type { Answer, SocketEnd } from '../network.ts';
import type { Gap, TickKey } from '../source.ts';
import { toSeq } from '../tick.ts';

/**
 * A line of a recording, as JSON. What the provider said is in it as it came, but for secrets; who was asked
 * what is there as a path and a mark to know it by, never with its query, a header or a host.
 */
export type Entry = Timed<
  | Head
  /** What the source is to follow from now on. */
  | { readonly wanted: readonly string[] }
  /** The source is asked for what was missed. */
  | { readonly repair: GapText }
  | { readonly asked: Place; readonly answer: Omit<Answer, 'cameAt'> }
  | { readonly asked: Place; readonly failed: string }
  | OfConnection
  /** So many entries are missing here, as they could not be written. */
  | { readonly lost: number }
>;

export type OfConnection = { readonly connection: number } & (
  | { readonly opened: Place }
  | { readonly begun: true }
  /** A message, or whole lines of a stream. `isLate`: nobody knows when it came. */
  | { readonly text: string; readonly isLate?: true }
  /** What is no UTF-8, as base64. */
  | { readonly bytes: string }
  | {
      readonly end:
        | SocketEnd
        | { readonly kind: 'answered'; readonly answer: Omit<Answer, 'cameAt'> };
    }
);

type Timed<Kind> = Kind & {
  /** UTC with milliseconds: when it came, by our clock. */
  readonly at: string;
  /** Told before: a new file begins with how its connections began. */
  readonly isAgain?: true;
};

/** The first line of each file. */
export interface Head {
  /** Of this layout. */
  readonly recording: 1;
  readonly source: string;
  /** Of the source, if it has several. */
  readonly mode?: string;
  /** The same in all files that one process wrote. */
  readonly session: string;
}

/** What was asked for. */
export interface Place {
  readonly path: string;
  /** Tells apart what differs in the query alone, without telling the query. */
  readonly mark: string;
}

/** @param hide Takes secrets out. */
export function placeOf(url: string, hide: (text: string) => string): Place {
  const { pathname, searchParams } = new URL(url);
  // By it a provider is told what we have already: the question is the same.
  searchParams.delete('since');
  const path = hide(pathname);
  const whole = `${path}?${hide(searchParams.toString())}`;
  return { path, mark: createHash('sha256').update(whole).digest('hex').slice(0, 8) };
}

type KeyText = { readonly observedAt: string; readonly seq: string | null };
export type GapText = Omit<Gap, 'before' | 'after'> & {
  readonly before: KeyText | null;
  readonly after: KeyText | null;
};

/** Ids are longer than a number of JSON holds. */
export function writeGap({ symbol, from, to, cause, before, after }: Gap): GapText {
  const write = (key: TickKey | null) =>
    key && { observedAt: key.observedAt, seq: key.seq === null ? null : String(key.seq) };
  return { symbol, from, to, cause, before: write(before), after: write(after) };
}

export function readGap(text: GapText): Gap {
  const read = (key: KeyText | null) =>
    key && { observedAt: key.observedAt, seq: key.seq === null ? null : toSeq(key.seq) };
  return { ...text, before: read(text.before), after: read(text.after) };
}

/** Takes secrets out of a text: as they are, as they stand in JSON, and in a URL. */
export function createHide(secrets: readonly string[]): (text: string) => string {
  const forms = secrets.flatMap(secret => [
    secret,
    JSON.stringify(secret).slice(1, -1),
    encodeURIComponent(secret),
  ]);
  // The longest first: one may be the beginning of another.
  const all = [...new Set(forms)].filter(form => form !== '').sort((a, b) => b.length - a.length);
  return text => all.reduce((told, secret) => told.replaceAll(secret, '***'), text);
}

/** The longest form of a secret, in bytes of UTF-8. */
export const longestOf = (secrets: readonly string[]): number =>
  Math.max(0, ...secrets.map(secret => 6 * Buffer.byteLength(secret)));
