import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';
import { printable } from '../../../../db/runtime/logger.ts';
import { type Item, type Skipped, SourceError } from '../../source.ts';
import { createWanted } from '../../wanted.ts';
import { createOanda, type OandaOptions } from './source.ts';

const token = 'secret-token-0123456789';
const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** A provider that answers whatever a test wants. */
async function serve(answer: RequestListener) {
  const server = createServer(answer);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const sourceAt = (url: string, timings: OandaOptions['timings'] = {}) =>
  createOanda({
    token,
    accountId: '101-004-1234567-001',
    environment: 'practice',
    streamUrl: url,
    apiUrl: url,
    timings: { firstBackoff: 1, longestBackoff: 4, instrumentTries: 1, answer: 15_000, ...timings },
  });

const megabyte = Buffer.alloc(2 ** 20, ' ');
/** The same again and again is one packed text. */
const packed = gzipSync(megabyte);

function* forEver(piece: Buffer) {
  for (;;) yield piece;
}

/** How much more memory the process had at its largest than before, in MB. */
async function growthOf(action: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().rss;
  let largest = before;
  const timer = setInterval(() => {
    largest = Math.max(largest, process.memoryUsage().rss);
  }, 10);
  await action().finally(() => clearInterval(timer));
  return (Math.max(largest, process.memoryUsage().rss) - before) / 2 ** 20;
}

const failureOf = async (asking: Promise<unknown>): Promise<Error> =>
  asking.then(
    () => {
      throw new Error('it did not fail');
    },
    (error: unknown) => error as Error,
  );

describe('an answer without end', () => {
  const endless: readonly (readonly [string, number, RequestListener])[] = [200, 400, 503].flatMap(
    status => [
      [
        'plain',
        status,
        (_, response) => {
          response.writeHead(status, { 'Content-Type': 'application/json' });
          Readable.from(forEver(megabyte)).pipe(response);
        },
      ],
      [
        'packed',
        status,
        (_, response) => {
          response.writeHead(status, { 'Content-Encoding': 'gzip' });
          Readable.from(forEver(packed)).pipe(response);
        },
      ],
    ],
  );

  it.each(endless)('is not read to its end: %s, HTTP %i', async (_, status, answer) => {
    const source = sourceAt(await serve(answer));
    let error = new Error('nothing happened');
    const growth = await growthOf(async () => {
      error = await failureOf(source.instruments([]));
    });
    expect(error.message).toMatch(
      {
        200: /^OANDA cannot be reached: the answer is longer than 8 MB$/,
        400: /^OANDA refused the request \(HTTP 400\): check OANDA_ACCOUNT_ID and the symbols$/,
        503: /^OANDA cannot be reached: HTTP 503$/,
      }[status] ?? /never/,
    );
    expect(growth).toBeLessThan(120);
  });

  it('is not unpacked to its end when it is a bomb of a gigabyte', async () => {
    const bomb = Buffer.concat([
      gzipSync('{"x":"'),
      ...Array.from({ length: 1_024 }, () => packed),
    ]);
    const source = sourceAt(
      await serve((_, response) => {
        response.writeHead(200, { 'Content-Encoding': 'gzip' });
        response.end(bomb);
      }),
    );
    let error = new Error('nothing happened');
    const growth = await growthOf(async () => {
      error = await failureOf(source.instruments([]));
    });
    expect(error.message).toBe('OANDA cannot be reached: the answer is longer than 8 MB');
    expect(growth).toBeLessThan(120);
  });

  it('has a deadline though something comes all the time', async () => {
    const source = sourceAt(
      await serve((_, response) => {
        response.writeHead(200);
        const drip = setInterval(() => response.write(' '), 5);
        response.on('close', () => clearInterval(drip));
      }),
      { answer: 100 },
    );
    await expect(source.instruments([])).rejects.toThrow('OANDA cannot be reached: ');
  });

  it('is refused whatever the head of the refusal is followed by', async () => {
    const source = sourceAt(
      await serve((_, response) => {
        response.writeHead(401);
        const drip = setInterval(() => response.write(' '), 5);
        response.on('close', () => clearInterval(drip));
      }),
      { answer: 2_000 },
    );
    await expect(source.instruments([])).rejects.toThrow(SourceError);
  });

  it('may be packed garbage or no JSON at all', async () => {
    const bodies: readonly (readonly [string | Buffer, Record<string, string>])[] = [
      ['no gzip', { 'Content-Encoding': 'gzip' }],
      [gzipSync('{"instruments":[]}').subarray(0, 15), { 'Content-Encoding': 'gzip' }],
      ['<html>', {}],
      ['['.repeat(1_000_000), {}],
      [Buffer.from([0xff, 0xfe, 0x00]), {}],
      ['', {}],
      ['null', {}],
      ['{"instruments":{"length":1}}', {}],
    ];
    for (const [body, headers] of bodies) {
      const source = sourceAt(
        await serve((_, response) => {
          response.writeHead(200, headers);
          response.end(body);
        }),
      );
      const error = await failureOf(source.instruments([]));
      expect(error.message).toMatch(/^OANDA cannot be reached: /);
      expect(error).not.toBeInstanceOf(SourceError);
    }
  });
});

describe("a provider's words", () => {
  const refusing = (errorMessage: unknown) =>
    serve((_, response) => {
      response.writeHead(400);
      response.end(JSON.stringify({ errorMessage }));
    });

  it('reach us as one line without characters that a terminal obeys', async () => {
    const words = 'no\r\n\u001b[2J\u009b31m\u0007\u202eevil\u2066\u200b \u2028 gone\ud800';
    const error = await failureOf(sourceAt(await refusing(words)).instruments([]));
    expect(error.message).toContain('gone');
    expect(error.message).toBe(printable(error.message));
    expect(error.message).not.toMatch(/[\n\r]/);
  });

  it('do not tell the token, where they are cut neither', async () => {
    for (let before = 170; before < 200; before++) {
      const words = `${'x'.repeat(before)}${token}`;
      const error = await failureOf(sourceAt(await refusing(words)).instruments([]));
      expect(error.message).not.toContain('secret');
    }
  });

  it('may be of any type and any length', async () => {
    for (const words of [7, null, ['x'], { toString: 1 }, 'x'.repeat(60_000)]) {
      const error = await failureOf(sourceAt(await refusing(words)).instruments([]));
      expect(error).toBeInstanceOf(SourceError);
      expect(error.message.length).toBeLessThan(350);
    }
  });
});

describe('a list of instruments', () => {
  const listing = (entries: readonly unknown[]) =>
    serve((_, response) => response.end(JSON.stringify({ instruments: entries })));
  const good = { name: 'EUR_USD', displayName: 'EUR/USD', displayPrecision: 5 };
  const expected = { symbol: 'EUR_USD', description: 'EUR/USD', pricePrecision: 5 };

  it('loses and tells its bad entries, and no other', async () => {
    const bad = [
      null,
      7,
      [],
      {},
      { ...good, name: 'USD_JPY\n' },
      { ...good, name: 'GBP_USD', displayPrecision: '5' },
      { ...good, name: 'AUD_USD', displayPrecision: -1 },
      { ...good, name: 'X'.repeat(1_000_000) },
      { ...good, displayName: 'again' },
    ];
    const skipped: Skipped[] = [];
    const source = sourceAt(await listing([good, ...bad]));
    expect(await source.instruments(['EUR_USD'], undefined, all => skipped.push(...all))).toEqual([
      expected,
    ]);
    expect(skipped).toHaveLength(bad.length);
    for (const { name, why } of skipped) {
      expect(name.length).toBeLessThan(100);
      expect(why.length).toBeLessThan(200);
      expect(`${name} ${why}`).not.toMatch(/[\n\r]/);
    }
  });

  it('leaves out one that was asked for and is bad, and refuses one that it does not have', async () => {
    const source = sourceAt(await listing([good, { ...good, name: 'USD_JPY', displayName: 7 }]));
    expect(await source.instruments(['EUR_USD', 'USD_JPY'])).toEqual([expected]);
    await expect(source.instruments(['GBP_USD'])).rejects.toThrow(SourceError);
  });

  it('has names that can be shown and stored, whatever they were', async () => {
    const names: readonly (readonly [string, string])[] = [
      ['EUR\nUSD', 'EUR USD'],
      [' EUR\u202eUSD\u001b ', 'EUR\uFFFDUSD\uFFFD'],
      ['x'.repeat(5_000), 'x'.repeat(200)],
      ['', ''],
    ];
    for (const [displayName, description] of names) {
      const source = sourceAt(await listing([{ ...good, displayName, displayPrecision: 15 }]));
      expect(await source.instruments([])).toEqual([
        { symbol: 'EUR_USD', description, pricePrecision: 12 },
      ]);
    }
  });

  it('is no list when nothing in it is an instrument', async () => {
    const source = sourceAt(await listing([null, {}, 7]));
    await expect(source.instruments([])).rejects.toThrow('is not a list of instruments');
  });

  it('has at most ten thousand', async () => {
    const many = Array.from({ length: 10_001 }, (_, n) => ({ ...good, name: `N${n}` }));
    let left = 0;
    const source = sourceAt(await listing([...many, good]));
    const asking = source.instruments(['N0', 'N9999'], undefined, all => {
      left = all.length;
    });
    expect(await asking).toHaveLength(2);
    expect(left).toBe(2);
    await expect(source.instruments(['N10000'])).rejects.toThrow('it comes after 10000 others');
  });
});

describe('a stream', () => {
  /** What is said until it is disconnected. */
  async function listen(answer: RequestListener, timings: OandaOptions['timings'] = {}) {
    const stop = new AbortController();
    const wanted = createWanted();
    wanted.change(['EUR_USD'], new Map());
    const items: Item[] = [];
    const source = sourceAt(await serve(answer), { longestBackoff: 10_000, ...timings });
    for await (const item of source.follow({ signal: stop.signal, wanted: wanted.current })) {
      items.push(item);
      if (item.kind === 'state' && item.state === 'disconnected') stop.abort();
    }
    return items;
  }
  const reasonOf = (items: readonly Item[]) =>
    items.flatMap(item => (item.kind === 'state' && 'reason' in item ? [item.reason] : []));

  it('of empty lines is silent, and told so in time', async () => {
    const warnings: string[] = [];
    const note = (warning: Error) => warnings.push(warning.name);
    process.on('warning', note);
    closers.push(async () => process.off('warning', note));
    for (const piece of [Buffer.from('\n'), Buffer.alloc(65_536, '\n'), Buffer.alloc(9_999, ' ')]) {
      const since = performance.now();
      const items = await listen(
        (_, response) => {
          response.writeHead(200);
          Readable.from(forEver(piece)).pipe(response);
        },
        { silence: 300 },
      );
      expect(reasonOf(items)).toEqual(['nothing came for 0.3 s']);
      expect(performance.now() - since).toBeLessThan(10_000);
    }
    expect(warnings).toEqual([]);
  });

  it('of empty lines burns no core', async () => {
    const before = process.cpuUsage();
    await listen(
      (_, response) => {
        response.writeHead(200);
        Readable.from(forEver(Buffer.alloc(65_536, '\n'))).pipe(response);
      },
      { silence: 3_000 },
    );
    const { user, system } = process.cpuUsage(before);
    expect((user + system) / 1_000).toBeLessThan(1_500);
  });

  it('of packed emptiness needs no more memory', async () => {
    let items: Item[] = [];
    const growth = await growthOf(async () => {
      items = await listen(
        (_, response) => {
          response.writeHead(200, { 'Content-Encoding': 'gzip' });
          Readable.from(forEver(packed)).pipe(response);
        },
        { silence: 1_000 },
      );
    });
    expect(reasonOf(items)).toEqual(['nothing came for 1 s']);
    expect(growth).toBeLessThan(120);
  });

  it('tells a line of blanks that is too long', async () => {
    const items = await listen((_, response) => {
      response.end(`${' '.repeat(100_000)}\n`);
    });
    const reasons = items.flatMap(item =>
      item.kind === 'rejected' ? [item.rejection.reason] : [],
    );
    expect(reasons).toEqual(['line_too_long']);
  });

  it('that is packed garbage is a fault like others', async () => {
    const items = await listen((_, response) => {
      response.writeHead(200, { 'Content-Encoding': 'gzip' });
      response.end('no gzip');
    });
    expect(reasonOf(items)).toEqual(['the connection failed (Z_DATA_ERROR)']);
  });
});
