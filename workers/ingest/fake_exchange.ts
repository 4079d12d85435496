/**
 * The part that all fakes of exchanges share: a market with a log of what was traded, an HTTP and WebSocket
 * server on the loopback interface, and the faults. How a provider talks is its dialect, in its folder.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import { fromEpochMicroseconds } from './time.ts';

export interface FakeTrade {
  /** The provider's. */
  readonly symbol: string;
  readonly id: bigint;
  /** UTC with microseconds; as exact as the provider's. */
  readonly time: string;
  readonly price: string;
  readonly size: string;
}

export interface FakeQuote {
  readonly symbol: string;
  readonly time: string;
  readonly bid: string;
  readonly ask: string;
  /** The trade that it followed. */
  readonly tradeId: bigint;
}

export interface FakeMarket {
  readonly symbols: readonly string[];
  /** Those that the list has no more, or as not traded. */
  readonly delisted: ReadonlySet<string>;
  /** Those that a subscription refuses, whatever the list says. */
  readonly refused: ReadonlySet<string>;
  readonly isMaintained: boolean;
  /** What the REST interface knows, oldest first. */
  readonly known: (symbol: string) => readonly FakeTrade[];
  /** Everything that was traded, oldest first. */
  readonly log: (symbol: string) => readonly FakeTrade[];
  /** Microseconds since 1970, never the same twice. */
  readonly now: () => number;
}

export interface FakeClient {
  /** What it subscribed to. */
  readonly symbols: Set<string>;
  readonly send: (message: unknown) => void;
  readonly ping: () => void;
  readonly close: (code: number, reason: string) => void;
}

export interface FakeAnswer {
  readonly status: number;
  readonly body: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

/** How a provider talks. Messages are values for JSON, or text that is sent as it is. */
export interface FakeDialect {
  readonly symbols: readonly string[];
  /** Of its times, in microseconds. */
  readonly resolution: number;
  readonly open?: (client: FakeClient, url: URL, market: FakeMarket) => void;
  readonly hear: (client: FakeClient, message: unknown, market: FakeMarket) => void;
  readonly trade: (trade: FakeTrade) => unknown;
  readonly quote: (quote: FakeQuote) => unknown;
  /** What a client hears while nothing happens. */
  readonly beat: (client: FakeClient, market: FakeMarket) => readonly unknown[];
  readonly answer: (url: URL, market: FakeMarket) => FakeAnswer;
  readonly maintenance?: (market: FakeMarket) => unknown;
}

export interface FakeExchange {
  readonly url: string;
  readonly streamUrl: string;
  /** Connections that are open now. */
  readonly connections: () => number;
  /** Of those, who hears of a symbol. */
  readonly listeners: (symbol: string) => number;
  /** Every request and connection so far with its answer, for example `200 /products`. */
  readonly requests: readonly string[];
  /** What every client said. */
  readonly heard: readonly string[];
  /** Something is traded: it is in the log, and those who subscribed hear of it, but for the faults. */
  readonly trade: (symbol: string, change?: Partial<Omit<FakeTrade, 'symbol'>>) => FakeTrade;
  readonly quote: (symbol: string, bid: string, ask: string) => FakeQuote;
  readonly beat: () => void;
  /** Everything that was traded, oldest first. */
  readonly log: (symbol: string) => readonly FakeTrade[];
  /** What was traded is not sent. */
  readonly drop: (isOn: boolean) => void;
  /** The same trade once more, or one that is long gone. */
  readonly again: (trade: FakeTrade) => void;
  /** The REST interface has it no more. */
  readonly forget: (trade: FakeTrade) => void;
  /** It gets it only when this is switched off. */
  readonly lag: (isOn: boolean) => void;
  /** Nothing is sent any more, but connections stay open. */
  readonly goSilent: (isOn: boolean) => void;
  readonly maintain: (isOn: boolean) => void;
  /** Ends all connections: with a code in order, or without one. */
  readonly cut: (code?: number, reason?: string) => void;
  /** The next requests and connections are refused. */
  readonly refuseNext: (count: number, status: number, headers?: Record<string, string>) => void;
  readonly refuseSymbol: (symbol: string) => void;
  readonly delist: (symbol: string) => void;
  /** Anything at all, as it is, to all. */
  readonly say: (text: string) => void;
  /** How far its clock is ahead, in milliseconds. */
  readonly skew: (milliseconds: number) => void;
  /** From now on what is written reaches new connections in pieces of any size, several messages together. */
  readonly chop: (random: () => number) => void;
  /** A market by itself, for use by hand. */
  readonly run: () => void;
  readonly close: () => Promise<void>;
}

export async function startFakeExchange(dialect: FakeDialect, port = 0): Promise<FakeExchange> {
  const requests: string[] = [];
  const heard: string[] = [];
  const refusals: { status: number; headers: Record<string, string> }[] = [];
  const clients = new Map<WebSocket, FakeClient>();
  const logs = new Map<string, FakeTrade[]>(dialect.symbols.map(symbol => [symbol, []]));
  const forgotten = new Set<FakeTrade>();
  const delisted = new Set<string>();
  const refused = new Set<string>();
  let late: FakeTrade[] | undefined;
  let isSilent = false;
  let isDropping = false;
  let isMaintained = false;
  let skewed = 0;
  let latest = 0;
  let chopper: (() => number) | undefined;

  const logOf = (symbol: string): FakeTrade[] => {
    const log = logs.get(symbol);
    if (log === undefined) throw new Error(`the fake has no ${symbol}`);
    return log;
  };
  const now = (): number => {
    latest = Math.max(latest + 1, (Date.now() + skewed) * 1_000);
    return latest;
  };
  const market: FakeMarket = {
    symbols: dialect.symbols,
    delisted,
    refused,
    get isMaintained() {
      return isMaintained;
    },
    known: symbol => logOf(symbol).filter(each => !forgotten.has(each) && !late?.includes(each)),
    log: logOf,
    now,
  };
  const toText = (message: unknown) =>
    typeof message === 'string' ? message : JSON.stringify(message);
  const broadcast = (symbol: string | null, message: unknown) => {
    for (const client of clients.values()) {
      if (symbol === null || client.symbols.has(symbol)) client.send(message);
    }
  };

  const server = createServer((request, response) => {
    const refusal = refusals.shift();
    const { status, body, headers } =
      refusal === undefined
        ? dialect.answer(new URL(request.url ?? '/', 'http://fake'), market)
        : { ...refusal, body: { message: `scripted refusal ${refusal.status}` } };
    requests.push(`${status} ${request.url}`);
    reply(response, status, toText(body), headers);
  });
  const sockets = new WebSocketServer({ noServer: true });
  server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const refusal = refusals.shift();
    requests.push(`${refusal?.status ?? 101} ${request.url}`);
    // Whoever was refused may be gone before it reads that.
    socket.on('error', () => socket.destroy());
    if (refusal !== undefined) {
      const lines = Object.entries(refusal.headers).map(([name, value]) => `${name}: ${value}\r\n`);
      socket.end(
        `HTTP/1.1 ${refusal.status} Refused\r\n${lines.join('')}Content-Length: 0\r\n\r\n`,
      );
      return;
    }
    if (chopper !== undefined) chopWrites(socket, chopper);
    sockets.handleUpgrade(request, socket, head, connection => greet(connection, request));
  });

  function greet(connection: WebSocket, request: IncomingMessage): void {
    const client: FakeClient = {
      symbols: new Set(),
      send: message => {
        if (!isSilent && connection.readyState === WebSocket.OPEN) connection.send(toText(message));
      },
      ping: () => {
        if (!isSilent && connection.readyState === WebSocket.OPEN) connection.ping('1');
      },
      close: (code, reason) => connection.close(code, reason),
    };
    clients.set(connection, client);
    connection.on('close', () => clients.delete(connection));
    connection.on('error', () => connection.terminate());
    connection.on('message', data => {
      heard.push(data.toString());
      dialect.hear(client, JSON.parse(data.toString()), market);
    });
    dialect.open?.(client, new URL(request.url ?? '/', 'http://fake'), market);
  }

  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  const timers: NodeJS.Timeout[] = [];
  const address = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const exchange: FakeExchange = {
    url: `http://${address}`,
    streamUrl: `ws://${address}`,
    connections: () => clients.size,
    listeners: symbol => [...clients.values()].filter(each => each.symbols.has(symbol)).length,
    requests,
    heard,
    trade: (symbol, change = {}) => {
      const log = logOf(symbol);
      const at = Math.floor(now() / dialect.resolution) * dialect.resolution;
      const id = (log.at(-1)?.id ?? 0n) + 1n;
      const told = {
        symbol,
        id,
        time: fromEpochMicroseconds(at),
        price: '1.5',
        size: '2',
        ...change,
      };
      log.push(told);
      late?.push(told);
      if (!isDropping) broadcast(symbol, dialect.trade(told));
      return told;
    },
    quote: (symbol, bid, ask) => {
      const last = logOf(symbol).at(-1);
      const time = last?.time ?? fromEpochMicroseconds(now());
      const told = { symbol, time, bid, ask, tradeId: last?.id ?? 0n };
      if (!isDropping) broadcast(symbol, dialect.quote(told));
      return told;
    },
    beat: () => {
      for (const client of clients.values()) {
        for (const message of dialect.beat(client, market)) client.send(message);
      }
    },
    log: logOf,
    drop: isOn => {
      isDropping = isOn;
    },
    again: told => broadcast(told.symbol, dialect.trade(told)),
    forget: told => forgotten.add(told),
    lag: isOn => {
      late = isOn ? [] : undefined;
    },
    goSilent: isOn => {
      isSilent = isOn;
    },
    maintain: isOn => {
      isMaintained = isOn;
      const message = dialect.maintenance?.(market);
      if (message !== undefined) broadcast(null, message);
    },
    cut: (code, reason = '') => {
      for (const connection of clients.keys()) {
        if (code === undefined) connection.terminate();
        else connection.close(code, reason);
      }
    },
    refuseNext: (count, status, headers = {}) => {
      for (let index = 0; index < count; index++) refusals.push({ status, headers });
    },
    refuseSymbol: symbol => refused.add(symbol),
    delist: symbol => delisted.add(symbol),
    say: text => broadcast(null, text),
    skew: milliseconds => {
      skewed = milliseconds;
      latest = 0;
    },
    chop: random => {
      chopper = random;
    },
    run: () => {
      timers.push(setInterval(exchange.beat, 1_000));
      const step = () => {
        const symbol = dialect.symbols[Math.floor(Math.random() * dialect.symbols.length)] ?? '';
        const price = 100 + Math.random();
        exchange.trade(symbol, { price: price.toFixed(2), size: Math.random().toFixed(8) });
        exchange.quote(symbol, (price - 0.01).toFixed(2), (price + 0.01).toFixed(2));
      };
      timers.push(setInterval(step, 100));
    },
    close: async () => {
      timers.forEach(clearInterval);
      for (const connection of clients.keys()) connection.terminate();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return exchange;
}

function reply(
  response: ServerResponse,
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(body);
}

/** The same bytes, in pieces that begin and end anywhere: half a header, or three messages and a half. */
export function chopWrites(socket: Socket, random: () => number): void {
  const write = socket.write.bind(socket) as (bytes: Uint8Array) => boolean;
  let waiting = Buffer.alloc(0);
  let isDue = false;
  const flush = () => {
    isDue = false;
    if (socket.destroyed) return;
    while (waiting.length > 0) {
      const size = 1 + Math.floor(random() * waiting.length * 1.5);
      write(waiting.subarray(0, size));
      waiting = waiting.subarray(size);
      if (waiting.length > 0 && random() < 0.5) {
        isDue = true;
        setImmediate(flush);
        return;
      }
    }
  };
  socket.write = ((bytes: Uint8Array | string, ...rest: unknown[]) => {
    waiting = Buffer.concat([waiting, Buffer.from(bytes as Uint8Array)]);
    if (!isDue) {
      isDue = true;
      setImmediate(flush);
    }
    const done = rest.find(each => typeof each === 'function') as (() => void) | undefined;
    if (done !== undefined) setImmediate(done);
    return true;
  }) as typeof socket.write;
  socket.setNoDelay(true);
}
