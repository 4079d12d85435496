import { type Budget, createBudget, noBudget } from '../../budget.ts';
import { backoff, Hiccup, Refusal } from '../../connection.ts';
import { createHttp } from '../../http.ts';
import { type ByteReader, liveNetwork, type Network } from '../../network.ts';
import { SourceError } from '../../source.ts';

export interface OandaOptions {
  readonly token: string;
  readonly accountId: string;
  readonly environment: 'practice' | 'live';
  /** `poll` for an account that may not stream; `stream` when absent. */
  readonly mode?: 'stream' | 'poll';
  /** Instead of OANDA's hosts: a fake server or a proxy. */
  readonly streamUrl?: string | undefined;
  readonly apiUrl?: string | undefined;
  readonly timings?: Partial<OandaTimings>;
  readonly network?: Network;
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
  /** From one poll to the next. */
  readonly poll: number;
  /**
   * How long what happened may take until it is here: a stream tells of the last price of each quarter of a second, and
   * then it is on its way. Of what is younger it is not said that all of it was heard.
   */
  readonly lag: number;
}

const TIMINGS: OandaTimings = {
  silence: 10_000,
  firstBackoff: 1_000,
  longestBackoff: 30_000,
  answer: 10_000,
  instrumentTries: 5,
  poll: 1_000,
  lag: 1_000,
};

/** OANDA takes 120 requests a second from an address, and advises fewer; others may ask from ours, too. */
const LIMITS = { perSecond: 20, burst: 20 };

/** The request as it is asked has a fault, such as an instrument that the account does not have. */
export class BadRequest extends SourceError {}

export interface Client {
  readonly timings: OandaTimings;
  readonly now: () => number;
  /**
   * The list of what the account may trade, as OANDA sends it.
   * @throws {SourceError} for a refusal that will not change.
   * @throws {Hiccup} for everything else than success.
   */
  readonly instruments: (signal?: AbortSignal) => Promise<unknown>;
  /** The stream of prices, until the connection is aborted. @throws as `instruments` does. */
  readonly prices: (symbols: readonly string[], connection: AbortController) => Promise<ByteReader>;
  /** The newest prices, or those that changed since what the last answer said. @throws as `instruments` does. */
  readonly pricing: (
    symbols: readonly string[],
    since: string | undefined,
    signal: AbortSignal,
  ) => Promise<unknown>;
  /**
   * The candles of 5 seconds, or of another granularity of OANDA's, that begin in [from, to): at most 5,000 of them are
   * asked for, and none may be ahead of OANDA's clock. ISO 8601 in UTC. @throws as `instruments` does.
   */
  readonly candles: (
    symbol: string,
    granularity: 'S5' | 'M1',
    from: string,
    to: string,
    signal: AbortSignal,
  ) => Promise<unknown>;
  /** How many milliseconds to wait after the last of so many failures in a row. */
  readonly backoff: (failures: number, last: Hiccup) => number;
}

export function createClient(options: OandaOptions): Client {
  const { accountId, environment, network = liveNetwork } = options;
  const { now = network.now, random = Math.random } = options;
  const token = options.token.trim();
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new SourceError('OANDA_API_TOKEN is empty or has characters that no token has');
  }
  const host = environment === 'live' ? 'fxtrade.oanda.com' : 'fxpractice.oanda.com';
  const account = `/accounts/${encodeURIComponent(accountId)}`;
  const toBase = (url: string) => `${url.replace(/\/+$/, '')}/v3`;
  const streamUrl = toBase(options.streamUrl ?? `https://stream-${host}`) + account;
  const restUrl = toBase(options.apiUrl ?? `https://api-${host}`);
  const apiUrl = restUrl + account;
  const timings = { ...TIMINGS, ...options.timings };
  const http = createHttp({
    headers: { Authorization: `Bearer ${token}`, 'Accept-Datetime-Format': 'RFC3339' },
    secrets: [token],
    wordsIn: json => (json as { errorMessage?: unknown }).errorMessage,
    network,
    now,
  });
  const budget: Budget = network.isRecorded ? noBudget : createBudget(LIMITS);
  async function judged<Answer>(
    ask: () => Promise<Answer>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    await budget.take(signal);
    try {
      return await ask();
    } catch (error) {
      if (error instanceof Hiccup && error.retryAfter > 0) budget.pause(error.retryAfter);
      throw error instanceof Refusal ? describeRefusal(error, environment) : error;
    }
  }
  return {
    timings,
    now,
    instruments: signal =>
      judged(
        () => http.json(`${apiUrl}/instruments`, { deadlineMs: timings.answer, signal }),
        signal,
      ),
    prices: (symbols, connection) => {
      const asked = encodeURIComponent(symbols.join(','));
      const url = `${streamUrl}/pricing/stream?instruments=${asked}`;
      return judged(() => http.stream(url, connection, timings.answer), connection.signal);
    },
    pricing: (symbols, since, signal) => {
      const query = new URLSearchParams({
        instruments: symbols.join(','),
        ...(since !== undefined && { since }),
      });
      const url = `${apiUrl}/pricing?${query}`;
      return judged(() => http.json(url, { deadlineMs: timings.answer, signal }), signal);
    },
    candles: (symbol, granularity, from, to, signal) => {
      const query = new URLSearchParams({ price: 'BA', granularity, from, to });
      const url = `${restUrl}/instruments/${encodeURIComponent(symbol)}/candles?${query}`;
      return judged(() => http.json(url, { deadlineMs: timings.answer, signal }), signal);
    },
    backoff: (failures, last) =>
      backoff(failures, last, {
        first: timings.firstBackoff,
        longest: timings.longestBackoff,
        random,
      }),
  };
}

function describeRefusal({ status, message }: Refusal, environment: string): SourceError {
  if (status === 401 || status === 403) {
    const account = status === 403 ? ', OANDA_ACCOUNT_ID' : '';
    return new SourceError(
      `OANDA refused the token (HTTP ${status}): check OANDA_API_TOKEN${account} and OANDA_ENVIRONMENT=${environment}`,
    );
  }
  const kind = status === 400 ? BadRequest : SourceError;
  return new kind(`OANDA refused the request (${message}): check OANDA_ACCOUNT_ID and the symbols`);
}
