/**
 * Some provider that answers with JSON, on the loopback interface, for tests and by hand: its trades and quotes, and
 * the faults that an address can have. It wants a token, knows what it has answered by ETag, and lists the newest
 * trades first, as many providers do.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { epochMicroseconds, fromEpochMicroseconds } from '../../time.ts';

export interface FakeTrade {
  readonly id: bigint;
  /** UTC with microseconds. */
  readonly time: string;
  readonly price: string;
  readonly size: string;
}

export interface FakePolled {
  readonly url: string;
  /** Every request so far with its answer, for example `200 /trades/BTC`. */
  readonly requests: readonly string[];
  /** The headers of the last request. */
  readonly headers: () => IncomingMessage['headers'];
  /** Something is traded: it is in the log, and in the answers from now on, but for the faults. */
  readonly trade: (symbol: string, change?: Partial<FakeTrade>) => FakeTrade;
  readonly log: (symbol: string) => readonly FakeTrade[];
  /** What `/quotes` answers of a symbol. */
  readonly quote: (symbol: string, bid: string, ask: string, time?: string) => void;
  /** What another path answers. */
  readonly page: (path: string, answer: FakeAnswer) => void;
  /** What was traded is not in the answers, then or later. */
  readonly drop: (isOn: boolean) => void;
  /** What was dropped is in the answers after all. */
  readonly again: (trade: FakeTrade) => void;
  /** Requests are not answered. */
  readonly goSilent: (isOn: boolean) => void;
  /** The next requests end without an answer, or within it. */
  readonly cut: (count: number, isWithin?: boolean) => void;
  /** The next requests are refused, the first of them being the next one, or the next one of that symbol. */
  readonly refuseNext: (
    count: number,
    status: number,
    headers?: Record<string, string>,
    from?: string,
  ) => void;
  /** The next answer is this text. */
  readonly say: (text: string) => void;
  /** How far its clock is ahead, in milliseconds. */
  readonly skew: (milliseconds: number) => void;
  /** Answers come in pieces of any size. */
  readonly chop: (random: () => number) => void;
  readonly pack: (isOn: boolean) => void;
  readonly close: () => Promise<void>;
}

export interface FakeAnswer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface FakePolledOptions {
  /** In the header `Authorization` after `Bearer`. */
  readonly token?: string;
  /** How many of the newest trades it answers with. */
  readonly remembers?: number;
  readonly port?: number;
}

export async function startFakePolled({
  token,
  remembers = 50,
  port = 0,
}: FakePolledOptions = {}): Promise<FakePolled> {
  const requests: string[] = [];
  const logs = new Map<string, FakeTrade[]>();
  const dropped = new Set<FakeTrade>();
  const quotes = new Map<string, unknown>();
  const pages = new Map<string, FakeAnswer>();
  const refusals: (FakeAnswer & { readonly from?: string })[] = [];
  const sayings: string[] = [];
  const cuts: boolean[] = [];
  let headers: IncomingMessage['headers'] = {};
  let [isDropping, isSilent, isPacked] = [false, false, false];
  let skewed = 0;
  let latest = 0;
  let chopper: (() => number) | undefined;

  const logOf = (symbol: string): FakeTrade[] => {
    const log = logs.get(symbol) ?? [];
    logs.set(symbol, log);
    return log;
  };
  const now = (): number => {
    latest = Math.max(latest + 1, (Date.now() + skewed) * 1_000);
    return latest;
  };

  /** Numbers stand in the answer as they were given, whatever a float would make of them. */
  function tradesOf(symbol: string): string {
    const known = logOf(symbol).filter(trade => !dropped.has(trade));
    const told = known.slice(-remembers).toReversed();
    const items = told.map(
      ({ id, time, price, size }) =>
        `{"trade_id": ${id}, "at_us": ${epochMicroseconds(time)}, "price": ${price}, "size": "${size}"}`,
    );
    return `{"symbol": ${JSON.stringify(symbol)}, "trades": [${items.join(', ')}]}`;
  }

  function answerTo(request: IncomingMessage): FakeAnswer {
    const from = refusals[0]?.from;
    const refusal =
      from === undefined || request.url?.includes(encodeURIComponent(from))
        ? refusals.shift()
        : undefined;
    if (refusal !== undefined) return refusal;
    if (token !== undefined && request.headers.authorization !== `Bearer ${token}`) {
      return { status: 401, body: JSON.stringify({ message: request.headers.authorization }) };
    }
    const saying = sayings.shift();
    if (saying !== undefined) return { body: saying };
    const { pathname } = new URL(request.url ?? '/', 'http://fake');
    const page = pages.get(pathname);
    if (page !== undefined) return page;
    const [, symbol] = /^\/trades\/(.+)$/.exec(decodeURIComponent(pathname)) ?? [];
    if (symbol !== undefined) return { body: tradesOf(symbol) };
    if (pathname === '/quotes') return { body: JSON.stringify(Object.fromEntries(quotes)) };
    return { status: 404, body: '{"message": "not found"}' };
  }

  const server = createServer((request, response) => {
    headers = request.headers;
    if (isSilent) return;
    const isWithin = cuts.shift();
    if (isWithin === false) {
      requests.push(`cut ${request.url}`);
      request.socket.destroy();
      return;
    }
    const { status = 200, headers: own = {}, body = '' } = answerTo(request);
    const tag = `"${createHash('sha1').update(body).digest('base64url')}"`;
    const isSame = status === 200 && request.headers['if-none-match'] === tag;
    requests.push(`${isSame ? 304 : status} ${request.url}`);
    if (isSame) {
      response.writeHead(304, { etag: tag }).end();
      return;
    }
    const bytes = isPacked ? gzipSync(body) : Buffer.from(body);
    response.writeHead(status, {
      'content-type': 'application/json',
      ...(status === 200 ? { etag: tag } : {}),
      ...(isPacked ? { 'content-encoding': 'gzip' } : {}),
      ...own,
    });
    void write(response, isWithin === true ? bytes.subarray(0, bytes.length / 2) : bytes).then(
      () => (isWithin === true ? request.socket.destroy() : response.end()),
    );
  });

  async function write(response: ServerResponse, bytes: Uint8Array): Promise<void> {
    let rest = bytes;
    while (rest.length > 0) {
      const size = chopper === undefined ? rest.length : 1 + Math.floor(chopper() * rest.length);
      response.write(rest.subarray(0, size));
      rest = rest.subarray(size);
      if (rest.length > 0) await nextTurn();
    }
  }

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    headers: () => headers,
    trade: (symbol, change = {}) => {
      const log = logOf(symbol);
      const id = (log.at(-1)?.id ?? 0n) + 1n;
      const told = { id, time: fromEpochMicroseconds(now()), price: '1.5', size: '2', ...change };
      log.push(told);
      if (isDropping) dropped.add(told);
      return told;
    },
    log: logOf,
    quote: (symbol, bid, ask, time = fromEpochMicroseconds(now())) => {
      quotes.set(symbol, { bid, ask, time });
    },
    page: (path, answer) => pages.set(path, answer),
    drop: isOn => {
      isDropping = isOn;
    },
    again: trade => dropped.delete(trade),
    goSilent: isOn => {
      isSilent = isOn;
    },
    cut: (count, isWithin = false) => {
      for (let index = 0; index < count; index++) cuts.push(isWithin);
    },
    refuseNext: (count, status, own = {}, from) => {
      for (let index = 0; index < count; index++) {
        const isFirst = index === 0 && from !== undefined;
        refusals.push({ status, headers: own, ...(isFirst && { from }) });
      }
    },
    say: text => sayings.push(text),
    skew: milliseconds => {
      skewed = milliseconds;
      latest = 0;
    },
    chop: random => {
      chopper = random;
    },
    pack: isOn => {
      isPacked = isOn;
    },
    close: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
