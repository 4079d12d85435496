/**
 * The one place where something from outside enters a source: an answer, a stream, a socket. All that listen
 * (`http.ts`, `websocket.ts`, `sources/polled/client.ts`) say here what they are about to ask and how, so that
 * a session can be recorded, and a recording can stand in for the provider (`recording/`).
 */
export interface Network {
  /** What is heard was heard before: nobody has to be spared, and nothing comes too late. */
  readonly isRecorded: boolean;
  /** Milliseconds since 1970, when what is heard now came. */
  readonly now: () => number;
  /** A whole answer. @param live Asks for it. */
  readonly answer: <Told extends Answer>(
    asked: Asked,
    live: () => Promise<Told>,
  ) => Promise<Told | Answer>;
  /** An answer that goes on, or a refusal. @param live Asks for it. */
  readonly stream: (
    asked: Asked,
    live: () => Promise<Answer | ByteReader>,
  ) => Promise<Answer | ByteReader>;
  /** @param live Dials, and tells these ears what comes. */
  readonly socket: (url: string, ears: SocketEars, live: (ears: SocketEars) => Socket) => Socket;
}

export interface Asked {
  readonly url: string;
  /** Aborts when nobody waits for it any more. */
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly etag: string | null;
  /** Unpacked; of a refusal its words, as far as they were read. */
  readonly text: string;
  /** Milliseconds since 1970. */
  readonly cameAt: number;
}

export type ByteReader = Pick<ReadableStreamDefaultReader<Uint8Array>, 'read'>;

export const isAnswer = (what: Answer | ByteReader): what is Answer => 'status' in what;

/** What a socket says. */
export interface SocketEars {
  readonly onOpen: () => void;
  /** @param cameAt Milliseconds since 1970; null when it waited on the way because we were slow. */
  readonly onMessage: (text: string, cameAt: number | null) => void;
  readonly onPing: () => void;
  /** It is over; what is said after the first time is of no matter. */
  readonly onEnd: (end: SocketEnd) => void;
}

export type SocketEnd =
  | { readonly kind: 'refused'; readonly status: number; readonly retryAfter: string | null }
  | { readonly kind: 'failed'; readonly why: string }
  | { readonly kind: 'closed'; readonly code: number; readonly words: string };

export interface Socket {
  readonly send: (text: string) => void;
  /** Nothing is read until `resume`. */
  readonly pause: () => void;
  readonly resume: () => void;
  readonly close: () => void;
}

export const liveNetwork: Network = {
  isRecorded: false,
  now: Date.now,
  answer: (_, live) => live(),
  stream: (_, live) => live(),
  socket: (_, ears, live) => live(ears),
};
