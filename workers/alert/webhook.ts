import { createHmac } from 'node:crypto';
import type { lookup as lookUpName } from 'node:dns';
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import { oneLine } from '../../db/runtime/logger.ts';
import { createPublicHosts } from '../public_host.ts';
import { readRetryAfter } from '../retry_after.ts';

/** What became of a request to a webhook. */
export interface Answer {
  /** Why it is none of success; absent: the receiver took the message. */
  readonly error?: string;
  /** Absent: there was no answer. */
  readonly status?: number;
  /** So long the receiver asks to be left alone. */
  readonly retryAfterMs: number;
}

export interface Webhook {
  /** Never fails: what goes wrong is in the answer, which holds nothing of the URL beyond its host. */
  send(message: {
    readonly url: string;
    readonly eventId: string;
    readonly secret: string;
    readonly body: string;
    readonly signal: AbortSignal;
  }): Promise<Answer>;
}

export interface WebhookOptions {
  /** Hosts that may have private addresses. */
  readonly privateHosts?: readonly string[];
  /** For the head of the answer. */
  readonly deadlineMs?: number;
  /** Seconds since 1970. */
  readonly now?: () => number;
  /** The addresses of a name. */
  readonly lookUp?: typeof lookUpName;
}

/** What a receiver computes to know a message from a forged one: the key is the rule's, the time is in seconds. */
export function signatureOf(secret: string, timestamp: number, body: string): string {
  return `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
}

/**
 * Posts messages to the URLs that rules name. Nobody is asked who is not on the Internet, whatever a name stands for at
 * the moment of connecting; no redirect is followed, and nothing but the head of an answer is read.
 */
export function createWebhook(options: WebhookOptions = {}): Webhook {
  const { privateHosts, deadlineMs = 10_000, lookUp } = options;
  const { now = () => Math.floor(Date.now() / 1_000) } = options;

  const setting = 'WEBHOOK_HOSTS of the publisher';
  const hosts = createPublicHosts({ privateHosts, setting, lookUp });

  return {
    async send({ url, eventId, secret, body, signal }) {
      if (!URL.canParse(url)) return failed('the URL cannot be read');
      const target = new URL(url);
      const refusal = hosts.refusalOf(target);
      if (refusal !== undefined) return failed(refusal);
      const timestamp = now();
      const ask = target.protocol === 'https:' ? requestHttps : requestHttp;
      const { promise, resolve } = Promise.withResolvers<Answer>();
      const deadline = AbortSignal.timeout(deadlineMs);
      const request = ask(target, {
        method: 'POST',
        // One connection a message: one that is kept was made to what a name stood for before.
        agent: false,
        signal: AbortSignal.any([deadline, signal]),
        ...hosts.lookupOf(target),
        headers: {
          'content-type': 'application/json; charset=utf-8',
          'content-length': Buffer.byteLength(body),
          'user-agent': 'Foresight',
          connection: 'close',
          'x-foresight-event-id': eventId,
          'x-foresight-timestamp': String(timestamp),
          'x-foresight-signature': signatureOf(secret, timestamp, body),
        },
      });
      request.on('response', response => {
        const { statusCode: status = 0, headers } = response;
        const isTaken = status >= 200 && status < 300;
        const retryAfterMs = isTaken
          ? 0
          : readRetryAfter(headers['retry-after'] ?? null, Date.now());
        resolve({ status, retryAfterMs, ...(isTaken ? {} : { error: wordsOf(status) }) });
        response.on('error', () => undefined);
        response.destroy();
      });
      request.on('error', error => {
        const words = deadline.aborted
          ? `there was no answer within ${deadlineMs / 1_000} seconds`
          : error.message || ((error as NodeJS.ErrnoException).code ?? error.name);
        resolve(failed(oneLine(words)));
      });
      request.end(body);
      return promise;
    },
  };
}

const failed = (error: string): Answer => ({ error, retryAfterMs: 0 });

const wordsOf = (status: number): string =>
  status >= 300 && status < 400 ? `HTTP ${status}, and no redirect is followed` : `HTTP ${status}`;
