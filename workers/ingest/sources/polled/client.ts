import { type IncomingMessage, request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { createGunzip } from 'node:zlib';
import type { PublicHosts } from '../../../public_host.ts';
import { readRetryAfter } from '../../../retry_after.ts';
import { Hiccup, within } from '../../connection.ts';
import type { Answer, Network } from '../../network.ts';
import type { FilledHeaders } from './row.ts';

export interface Client {
  /** @throws {Hiccup} for everything else than a success. Of a URL it tells the host alone. */
  ask(url: string, headers: FilledHeaders, signal: AbortSignal): Promise<Told>;
  /** What was answered so far is asked for anew. */
  forget(): void;
}

export interface Told {
  /** Null when it is the same as the last one of this URL. */
  readonly text: string | null;
  /** Milliseconds since 1970. */
  readonly cameAt: number;
}

/** Of this URL there is nothing; others of the same host may well answer. */
export class Absent extends Hiccup {}

/** We asked too often; of all of the host, not of this URL. */
export class Flooded extends Hiccup {}

export interface ClientOptions {
  readonly hosts: PublicHosts;
  /** For the last byte of the answer, in milliseconds. */
  readonly deadline: number;
  /** So long who refused us is left alone at least. */
  readonly refusal: number;
  readonly maxBytes?: number;
  readonly network: Network;
  readonly now: () => number;
}

const MOST_REDIRECTS = 5;
/** It is us who is not wanted: by the token, the address, or how often we asked. */
const REFUSALS = [401, 402, 403, 407, 418, 451];
const LONGEST_ANSWER = 8 * 2 ** 20;

export function createClient(options: ClientOptions): Client {
  const { hosts, deadline, refusal, maxBytes = LONGEST_ANSWER, network, now } = options;
  const tags = new Map<string, string>();

  async function open(
    target: URL,
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<IncomingMessage> {
    const refused = hosts.refusalOf(target);
    if (refused !== undefined) throw new Hiccup(refused, refusal);
    const ask = target.protocol === 'https:' ? requestHttps : requestHttp;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    // One connection a request: one that is kept was made to what a name stood for before.
    const request = ask(target, { headers, signal, agent: false, ...hosts.lookupOf(target) });
    request.on('response', resolve);
    request.on('error', reject);
    request.end();
    return promise;
  }

  async function follow(url: string, { headers, secrets }: FilledHeaders, signal: AbortSignal) {
    const origin = new URL(url).origin;
    let target = new URL(url);
    for (let hops = 0; ; hops++) {
      const tag = tags.get(url);
      const response = await open(
        target,
        {
          accept: 'application/json',
          'user-agent': 'Foresight',
          ...headers,
          'accept-encoding': 'gzip',
          connection: 'close',
          ...(tag === undefined ? {} : { 'if-none-match': tag }),
        },
        signal,
      );
      const status = response.statusCode ?? 0;
      const { location } = response.headers;
      if (![301, 302, 303, 307, 308].includes(status) || location === undefined) return response;
      response.destroy();
      if (hops >= MOST_REDIRECTS) throw new Hiccup('it redirects without end', refusal);
      if (!URL.canParse(location, target.href)) throw new Hiccup('it redirects to no URL', refusal);
      target = new URL(location, target);
      if (!/^https?:$/.test(target.protocol)) {
        throw new Hiccup('it redirects to something else than HTTP', refusal);
      }
      if (target.origin !== origin && secrets.length > 0) {
        const words = `it redirects to ${target.host}, which is not followed: the headers carry a secret`;
        throw new Hiccup(words, refusal);
      }
    }
  }

  async function read(response: IncomingMessage): Promise<string> {
    const packing = response.headers['content-encoding'] ?? 'identity';
    if (!['gzip', 'identity'].includes(packing)) {
      throw new Hiccup('the answer is packed as nobody asked for');
    }
    const unpacked = packing === 'gzip' ? createGunzip() : undefined;
    if (unpacked !== undefined) {
      response.on('error', error => unpacked.destroy(error));
      response.pipe(unpacked);
    }
    const decoder = new TextDecoder();
    let text = '';
    let length = 0;
    for await (const part of (unpacked ?? response) as AsyncIterable<Uint8Array>) {
      length += part.length;
      if (length > maxBytes) {
        throw new Hiccup(`the answer is longer than ${maxBytes / 2 ** 20} MB`, refusal);
      }
      text += decoder.decode(part, { stream: true });
    }
    return text + decoder.decode();
  }

  async function hear(url: string, headers: FilledHeaders, signal: AbortSignal): Promise<Answer> {
    const response = await follow(url, headers, signal);
    try {
      const status = response.statusCode ?? 0;
      const text = isOk(status) ? await read(response) : '';
      const { etag = null, 'retry-after': retryAfter = null } = response.headers;
      return { status, retryAfter, etag, text, cameAt: now() };
    } finally {
      response.on('error', () => undefined);
      response.destroy();
    }
  }

  function judge({ status, retryAfter }: Answer): void {
    if (isOk(status)) return;
    const wanted = readRetryAfter(retryAfter, now());
    if (REFUSALS.includes(status)) throw new Hiccup(`HTTP ${status}`, Math.max(wanted, refusal));
    if (status === 429) throw new Flooded(`HTTP ${status}`, wanted);
    const isAbsent = status >= 400 && status < 500 && status !== 408;
    throw new (isAbsent ? Absent : Hiccup)(`HTTP ${status}`, wanted);
  }

  return {
    async ask(url, headers, signal) {
      const connection = new AbortController();
      const onStop = () => connection.abort();
      signal.addEventListener('abort', onStop);
      if (signal.aborted) onStop();
      try {
        return await within(deadline, connection, async () => {
          const asked = { url, signal: connection.signal };
          const answer = await network.answer(asked, () => hear(url, headers, asked.signal));
          const { status, etag, text, cameAt } = answer;
          if (status === 304 && tags.has(url)) return { text: null, cameAt };
          judge(answer);
          if (etag === null || etag.length > 1_000) tags.delete(url);
          else tags.set(url, etag);
          return { text, cameAt };
        }).catch((error: unknown) => {
          // Node tells only that it was ended, and not why we did.
          throw connection.signal.reason instanceof Hiccup ? connection.signal.reason : error;
        });
      } finally {
        signal.removeEventListener('abort', onStop);
      }
    },
    forget: () => tags.clear(),
  };
}

const isOk = (status: number) => status >= 200 && status < 300;
