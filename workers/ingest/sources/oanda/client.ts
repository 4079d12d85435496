import { SourceError } from '../../source.ts';
import { cut } from '../../text.ts';

export interface OandaOptions {
  readonly token: string;
  readonly accountId: string;
  readonly environment: 'practice' | 'live';
  /** Instead of OANDA's hosts: a fake server or a proxy. */
  readonly streamUrl?: string | undefined;
  readonly apiUrl?: string | undefined;
  readonly timings?: Partial<OandaTimings>;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
  /** From 0 to 1, for the jitter of the back-off. */
  readonly random?: () => number;
}

/** In milliseconds, but for `instrumentTries`. */
export interface OandaTimings {
  /** A stream without a usable line for this long is cut: OANDA sends a heartbeat every 5 s. */
  readonly silence: number;
  /** Longest wait after the first failure in a row; it doubles with each further one. */
  readonly firstBackoff: number;
  readonly longestBackoff: number;
  /** A request that is not answered for this long has failed. */
  readonly answer: number;
  /** How often `instruments` asks while OANDA cannot be reached. */
  readonly instrumentTries: number;
}

const TIMINGS: OandaTimings = {
  silence: 10_000,
  firstBackoff: 1_000,
  longestBackoff: 30_000,
  answer: 10_000,
  instrumentTries: 5,
};
const LONGEST_RETRY_AFTER = 3_600_000;

/** Trying again may help, after `retryAfter` milliseconds at the earliest. */
export class Hiccup extends Error {
  override readonly name = 'Hiccup';
  readonly retryAfter: number;
  constructor(message: string, retryAfter = 0) {
    super(message);
    this.retryAfter = retryAfter;
  }
}

export interface Client {
  readonly streamUrl: string;
  readonly apiUrl: string;
  readonly timings: OandaTimings;
  readonly now: () => number;
  /**
   * @throws {SourceError} for a refusal that will not change.
   * @throws {Hiccup} for everything else than success.
   */
  readonly get: (url: string, signal: AbortSignal) => Promise<Response>;
  /** How many milliseconds to wait after the last of so many failures in a row. */
  readonly backoff: (failures: number, last: Hiccup) => number;
}

export function createClient(options: OandaOptions): Client {
  const { accountId, environment, now = Date.now, random = Math.random } = options;
  const token = options.token.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new SourceError('OANDA_API_TOKEN is empty or has characters that no token has');
  }
  const host = environment === 'live' ? 'fxtrade.oanda.com' : 'fxpractice.oanda.com';
  const account = `/v3/accounts/${encodeURIComponent(accountId)}`;
  const toBase = (url: string) => url.replace(/\/+$/, '') + account;
  const timings = { ...TIMINGS, ...options.timings };
  const headers = { Authorization: `Bearer ${token}`, 'Accept-Datetime-Format': 'RFC3339' };
  return {
    streamUrl: toBase(options.streamUrl ?? `https://stream-${host}`),
    apiUrl: toBase(options.apiUrl ?? `https://api-${host}`),
    timings,
    now,
    get: async (url, signal) => {
      const response = await fetch(url, { headers, signal, redirect: 'manual' });
      if (response.ok) return response;
      const said = (await readErrorMessage(response)).replaceAll(token, '***');
      throw toFailure(response, said, environment, now());
    },
    backoff: (failures, last) => {
      const most = Math.min(timings.firstBackoff * 2 ** (failures - 1), timings.longestBackoff);
      return Math.max(most * (0.5 + 0.5 * random()), last.retryAfter);
    },
  };
}

function toFailure(response: Response, said: string, environment: string, now: number): Error {
  const { status, headers } = response;
  if (status === 401 || status === 403) {
    const account = status === 403 ? ', OANDA_ACCOUNT_ID' : '';
    return new SourceError(
      `OANDA refused the token (HTTP ${status}): check OANDA_API_TOKEN${account} and OANDA_ENVIRONMENT=${environment}`,
    );
  }
  if (status < 400 || status === 408 || status === 429 || status >= 500) {
    return new Hiccup(`HTTP ${status}`, readRetryAfter(headers.get('retry-after'), now));
  }
  return new SourceError(
    `OANDA refused the request (HTTP ${status}${said}): check OANDA_ACCOUNT_ID and the symbols`,
  );
}

/** OANDA's own words after a comma, or nothing. */
async function readErrorMessage(response: Response): Promise<string> {
  try {
    const { errorMessage } = (await response.json()) as { errorMessage?: unknown };
    const line = typeof errorMessage === 'string' ? errorMessage.replaceAll(/\s+/g, ' ') : '';
    return line === '' ? '' : `, ${cut(line, 200)}`;
  } catch {
    return '';
  }
}

/** Seconds or a date, to milliseconds from now. */
function readRetryAfter(header: string | null, now: number): number {
  if (header === null) return 0;
  const wait = /^\d+$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - now;
  return Number.isNaN(wait) ? 0 : Math.min(Math.max(wait, 0), LONGEST_RETRY_AFTER);
}

/**
 * Cuts the connection when the action takes longer than `ms`.
 * @throws {Hiccup} for that, and for every failure of the network.
 */
export async function within<Result>(
  ms: number,
  connection: AbortController,
  action: () => Promise<Result>,
  namedMs = ms,
): Promise<Result> {
  const timer = setTimeout(() => {
    connection.abort(new Hiccup(`nothing came for ${namedMs / 1_000} s`));
  }, ms);
  try {
    return await action();
  } catch (error) {
    if (error instanceof Hiccup || error instanceof SourceError) throw error;
    throw new Hiccup(describeNetworkFault(error));
  } finally {
    clearTimeout(timer);
  }
}

/** Node says only `fetch failed`; why is in the cause. */
function describeNetworkFault(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'the connection failed';
  const why = 'code' in cause ? String(cause.code) : cause.message;
  return `the connection failed (${cut(why, 100)})`;
}
