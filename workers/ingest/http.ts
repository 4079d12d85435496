import { readRetryAfter } from '../retry_after.ts';
import { Hiccup, Refusal, within } from './connection.ts';
import { type Answer, type ByteReader, isAnswer, liveNetwork, type Network } from './network.ts';
import { oneLine } from './text.ts';

/**
 * How every source asks its provider: each answer has a deadline and a bound that counts after it was
 * unpacked, no redirect is followed, and what the provider says comes as one clean line without our secrets.
 */
export interface Http {
  /**
   * The whole answer as JSON. What it holds is from outside: look at it with a schema.
   * @throws {Hiccup} when trying again may help. @throws {Refusal} when not.
   */
  json(url: string, request: JsonRequest): Promise<unknown>;
  /**
   * An answer that goes on, from when its head is there. What is read of it is bounded by its reader,
   * for example by `createLineSplitter`, and its silence by `createPatience`; aborting ends it.
   * @throws {Hiccup} when trying again may help. @throws {Refusal} when not.
   */
  stream(url: string, connection: AbortController, deadlineMs: number): Promise<ByteReader>;
}

export interface JsonRequest {
  /** For the last byte of the answer. */
  readonly deadlineMs: number;
  /** Of the text, however small it was packed; 8 MB when absent. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpOptions {
  /** With each request; they go to no other place than the one that was asked. */
  readonly headers?: Readonly<Record<string, string>>;
  /** What must never be told, such as a token that the provider repeats. */
  readonly secrets?: readonly string[];
  /** Where the provider's words are in a refusal. */
  readonly wordsIn?: (json: unknown) => unknown;
  /** Statuses, besides those that all use so, after which trying again may help. */
  readonly passing?: readonly number[];
  /** Another reader of JSON than the usual one, such as `parseExactly`; undefined is no JSON. */
  readonly parse?: (text: string) => unknown;
  readonly network?: Network;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

const MEGABYTE = 2 ** 20;
const LONGEST_ANSWER = 8 * MEGABYTE;
const LONGEST_REFUSAL = 64 * 1_024;
const LONGEST_WORDS = 200;
/** The longest that a timer of Node's can wait, in milliseconds. */
const FOR_EVER = 2 ** 31 - 1;

export function createHttp(options: HttpOptions = {}): Http {
  const { headers = {}, secrets = [], passing = [], wordsIn, network = liveNetwork } = options;
  const { parse = parseJson, now = network.now } = options;
  const mayPass = (status: number) => isPassing(status) || passing.includes(status);

  /** @param read Of a success. */
  async function ask<Told>(
    url: string,
    signal: AbortSignal,
    read: (response: Response) => Promise<Told>,
  ): Promise<Answer | Told> {
    const response = await fetch(url, { headers, signal, redirect: 'manual' });
    return response.ok ? read(response) : tell(response, await readRefusal(response));
  }

  const tell = ({ status, headers: told }: Response, text: string): Answer => ({
    status,
    retryAfter: told.get('retry-after'),
    etag: null,
    text,
    cameAt: now(),
  });

  async function readRefusal(response: Response): Promise<string> {
    if (!mayPass(response.status)) return readText(response, LONGEST_REFUSAL).catch(() => '');
    discard(response);
    return '';
  }

  /** Of what is no success. */
  function toError({ status, retryAfter, text }: Answer): Error {
    if (mayPass(status)) return new Hiccup(`HTTP ${status}`, readRetryAfter(retryAfter, now()));
    return new Refusal(status, wordsOf(text));
  }

  function wordsOf(text: string): string {
    try {
      const words = wordsIn?.(JSON.parse(text));
      if (typeof words !== 'string') return '';
      // Before it is cut: half a secret is one too.
      const told = secrets.reduce((all, secret) => all.replaceAll(secret, '***'), words);
      return oneLine(told, LONGEST_WORDS);
    } catch {
      return '';
    }
  }

  function read(text: string): unknown {
    const json = parse(text);
    if (json === undefined) throw new Hiccup('the answer is not JSON');
    return json;
  }

  const patience = (ms: number) => (network.isRecorded ? FOR_EVER : ms);

  return {
    async json(url, { deadlineMs, maxBytes = LONGEST_ANSWER, signal }) {
      const connection = new AbortController();
      const onStop = () => connection.abort();
      signal?.addEventListener('abort', onStop);
      if (signal?.aborted) onStop();
      try {
        return await within(patience(deadlineMs), connection, async () => {
          const asked = { url, signal: connection.signal };
          const answer = await network.answer(asked, () =>
            ask(url, connection.signal, async response =>
              tell(response, await readText(response, maxBytes)),
            ),
          );
          if (!isOk(answer.status)) throw toError(answer);
          return read(answer.text);
        });
      } finally {
        signal?.removeEventListener('abort', onStop);
      }
    },
    stream: (url, connection, deadlineMs) =>
      within(patience(deadlineMs), connection, async () => {
        const asked = { url, signal: connection.signal };
        const told = await network.stream(asked, () =>
          ask<ByteReader>(url, connection.signal, async ({ body }) => {
            if (body === null) throw new Hiccup('the stream has no content');
            return body.getReader();
          }),
        );
        if (isAnswer(told)) throw toError(told);
        return told;
      }),
  };
}

const isOk = (status: number) => status >= 200 && status < 300;

const isPassing = (status: number) =>
  status < 400 || status === 408 || status === 429 || status >= 500;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws {Hiccup} when there is more; nothing of that is read. */
async function readText(response: Response, maxBytes: number): Promise<string> {
  const reader = response.body?.getReader();
  if (reader === undefined) return '';
  const decoder = new TextDecoder();
  let text = '';
  let length = 0;
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return text + decoder.decode();
      length += value.length;
      if (length > maxBytes) {
        throw new Hiccup(`the answer is longer than ${maxBytes / MEGABYTE} MB`);
      }
      text += decoder.decode(value, { stream: true });
    }
  } finally {
    // Not waited for: it may take as long as the other side likes.
    void reader.cancel().catch(() => undefined);
  }
}

function discard(response: Response): void {
  void response.body?.cancel().catch(() => undefined);
}
