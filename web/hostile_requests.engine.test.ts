import { once } from 'node:events';
import { type AddressInfo, connect } from 'node:net';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import { serve } from '@hono/node-server';
import fc from 'fast-check';
import { pino } from 'pino';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../tests/support/database.ts';
import { addIndicator, catchUp, registerCatalog } from '../tests/support/indicators.ts';
import { usedHeap } from '../tests/support/memory.ts';
import { tickOf } from '../tests/support/ticks.ts';
import { waitFor } from '../tests/support/wait.ts';
import { createFeed } from '../workers/ingest/feed.ts';
import { createApp } from './app.ts';
import { createDashboard } from './dashboard.ts';
import { createEvents, type Events } from './live/events.ts';
import { createReader, type Reader } from './reader.ts';

/** If it comes back as it was sent, somebody else's words are markup of ours. */
const mark = '<i x="\'7q8w">';
const longestMs = 10_000;

interface Sent {
  readonly method: string;
  readonly target: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

const encodings = [
  encodeURIComponent,
  encodeURI,
  (text: string) => text.replaceAll(/[\s\0]/g, '+'),
];
const words = fc.oneof(
  fc.constantFrom(
    ...[
      mark,
      `"${mark}`,
      `javascript:${mark}`,
      '',
      '.',
      '..',
      '../../etc/passwd',
      '%',
      '%zz',
      '%00',
    ],
    ...[
      '%2e%2e%2f',
      '%c0%ae',
      '%e2%80%ae',
      '%0d%0aSet-Cookie:%20x=1',
      '%F0%9F%93%88',
      '+',
      '\u0001',
    ],
    ...['__proto__', 'constructor', 'toString', "' or 1=1 --", '{{7*7}}', '$(id)', 'null', 'NaN'],
    ...['0', '-1', '1', '2147483647', '2147483648', '9999999999', '1e9', '0x10', '1.5', '１'],
    ...['1s', '1m', '9999d', 'bid', 'mid', 'symbol', 'verdict', 'market', 'status', 'indicator'],
    ...[
      '2026-01-02T03:04:00Z',
      '0000-01-01T00:00:00Z',
      '9999-12-31T23:59:59Z',
      '-000001-01-01T00:00:00Z',
    ],
    ...[
      '2026-02-30T00:00:00Z',
      '2026-01-01T00:00:00.123456789Z',
      'infinity',
      'A'.repeat(33),
      'x'.repeat(9_000),
    ],
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
);
const encoded = fc
  .tuple(words, fc.constantFrom(...encodings))
  .map(([text, encode]) => {
    try {
      return encode(text);
    } catch {
      return text;
    }
  })
  // What would end the line is a matter of raw bytes, below.
  .map(text => text.replaceAll(/[\s\0]/g, '%20'));

const hostileHeader = fc.oneof(
  fc.tuple(
    fc.constantFrom(
      ...[
        'host',
        'origin',
        'referer',
        'cookie',
        'range',
        'if-none-match',
        'if-modified-since',
        'accept',
      ],
      ...['accept-encoding', 'accept-language', 'x-forwarded-for', 'x-forwarded-host', 'forwarded'],
      ...[
        'user-agent',
        'hx-request',
        'last-event-id',
        'authorization',
        'content-type',
        'upgrade',
        'te',
      ],
      ...['expect', 'transfer-encoding', 'content-length', 'connection', 'x-http-method-override'],
    ),
    fc.oneof(
      fc.constantFrom(
        ...[
          mark,
          '*',
          'gzip',
          'br',
          'deflate',
          'gzip;q=0, identity;q=0',
          'bytes=0-',
          'bytes=9-1, -5',
        ],
        ...[
          'evil.example',
          '127.0.0.1, evil.example',
          '[::1',
          'localhost@evil',
          '%00',
          'chunked',
          '-1',
        ],
        ...[
          '99999999999',
          '100-continue',
          'websocket',
          'DELETE',
          'W/"x"',
          '"',
          ',,,',
          '2100-01-01',
          '',
        ],
        ...['a'.repeat(9_000), '1.2.3.4', '::1%eth0', 'text/html;q=0', 'null'],
      ),
      fc.string({ unit: fc.integer({ min: 32, max: 126 }).map(c => String.fromCharCode(c)) }),
    ),
  ),
  fc.constantFrom<[string, string][]>(
    ['x', 'x'.repeat(30_000)],
    ['é', 'ü'],
    ['x y', 'z'],
    ['', ''],
  ),
);

describeOnEngine('A hostile request', ({ sql, as }) => {
  const logged: string[] = [];
  const logger = pino({ level: 'error' }, { write: line => void logged.push(line) });
  let dashboard: Reader;
  let events: Events;
  let server: ReturnType<typeof serve>;
  let port = 0;
  let routes: string[];
  let answered = 0;

  beforeAll(async () => {
    await registerCatalog(sql);
    const symbol = await addInstrument(sql);
    const id = await addIndicator(sql, symbol, { fast: 1, slow: 2 }, { timeframe: '1s' });
    const now = new Date().toISOString();
    await createFeed(sql).recordTicks('manual', [tickOf(symbol, now, { bid: 1.25, ask: 1.5 })]);
    await catchUp(sql);
    dashboard = createReader({
      open: () => ({ ...createDashboard(as('foresight_web')), close: () => undefined }),
      logger,
      patience: 30_000,
      giveUpAfter: 60_000,
    });
    events = createEvents({ dashboard, logger });
    const { fetch } = createApp({ dashboard, events, logger, isBehindProxy: true });
    server = serve({ fetch, hostname: '127.0.0.1', port: 0 });
    await once(server, 'listening');
    port = (server.address() as AddressInfo).port;
    routes = [
      ...['/', '/status', '/healthz', '/readyz', '/events', '/{}', '/static/{}', '/static/page.js'],
      ...[`/instruments/${symbol}`, '/instruments/{}', `/instruments/${symbol}/ticks`, '/{}/{}'],
      ...[
        '/instruments/{}/ticks',
        '/indicators/{}',
        `/indicators/${id}`,
        '/indicators/{}/chart.json',
      ],
      ...[`/indicators/${id}/chart.json`, '/api/v1/{}', '//{}', '/./{}', '/instruments/{}/../{}'],
    ];
  });
  afterAll(async () => {
    events.close();
    server.close();
    if ('closeAllConnections' in server) server.closeAllConnections();
  });

  /**
   * What came, a moment of a stream; empty when nothing did. Who is told nothing for so long has not said all that
   * was announced, and hangs up.
   */
  async function ask(request: string | Buffer, silenceMs = 4_000): Promise<Buffer> {
    const socket = connect(port, '127.0.0.1');
    const parts: Buffer[] = [];
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const late = setTimeout(() => reject(new Error(`no answer in ${longestMs} ms`)), longestMs);
    let pause = setTimeout(() => socket.end(), silenceMs);
    socket.on('data', (part: Buffer) => {
      parts.push(part);
      clearTimeout(pause);
      pause = setTimeout(() => socket.destroy(), 200);
    });
    // Who is refused while it still writes is cut off.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(Buffer.concat(parts)));
    socket.write(request);
    try {
      return await promise;
    } finally {
      clearTimeout(late);
      clearTimeout(pause);
    }
  }

  async function judge(request: string | Buffer, silenceMs?: number): Promise<string> {
    const answer = withoutContinue(await ask(request, silenceMs));
    if (answer.length === 0) return '';
    answered++;
    const end = answer.indexOf('\r\n\r\n');
    const head = String(answer.subarray(0, end));
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
    const path = String(request).split(' ')[1] ?? '';
    const body = await readBody(head, answer.subarray(end + 4));
    // What is not ready says so: no process runs here.
    const isMeant = /^\/readyz\b/.test(path) && status === 503;
    if (!(status >= 200 && status < 500) && !isMeant) return `${status}: ${body.slice(0, 300)}`;
    if (body.includes(mark) || head.includes(mark)) return `${status}: tells the mark unchanged`;
    if (/^set-cookie/im.test(head)) return `${status}: sets a cookie`;
    if (/\bat .*\.ts:\d|node_modules|postgres:\/\//.test(body))
      return `${status}: tells of its inside`;
    return '';
  }

  const plain = (path: string, headers = '') =>
    `GET ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n${headers}\r\n`;

  async function judgeAll(requests: readonly (string | Buffer)[], silenceMs?: number) {
    const faults = await Promise.all(
      requests.map(async request => {
        const fault = await judge(request, silenceMs);
        return fault === '' ? [] : [`${fault}\n${JSON.stringify(String(request).slice(0, 600))}`];
      }),
    );
    expect(faults.flat()).toEqual([]);
  }

  const counts = () => sql`
    select (select count(*) from feed.ticks) as ticks, (select count(*) from feed.instruments) as instruments,
      (select count(*) from indicator.definitions) as indicators, (select count(*) from ops.processes) as processes`;

  it('is answered in time, is never our fault, and comes back as no markup', {
    timeout: 240_000,
  }, async ({ annotate }) => {
    const before = [...(await counts())];
    const sent = fc
      .record({
        method: fc.oneof(
          { weight: 8, arbitrary: fc.constant('GET') },
          {
            weight: 2,
            arbitrary: fc.constantFrom('HEAD', 'POST', 'OPTIONS', 'TRACE', 'FOO', 'get'),
          },
        ),
        route: fc.constantFrom(...routes),
        parts: fc.array(encoded, { minLength: 2, maxLength: 2 }),
        query: fc.array(
          fc.tuple(
            fc.oneof(
              fc.constantFrom('timeframe', 'side', 'sort', 'from', 'to', 'page', 'id', 'symbol'),
              encoded,
            ),
            encoded,
          ),
          { maxLength: 4 },
        ),
        headers: fc.array(hostileHeader, { maxLength: 3 }),
        body: fc.constantFrom('', '', '', 'x'.repeat(100_000), '{"a":1}', '0\r\n\r\n'),
      })
      .map(({ route, parts, query, ...rest }): Sent => {
        let next = 0;
        const path = route.replaceAll('{}', () => parts[next++] ?? '');
        const asked = query.map(([name, value]) => `${name}=${value}`).join('&');
        return { ...rest, target: asked === '' ? path : `${path}?${asked}` };
      });
    let inputs = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(sent, { minLength: 20, maxLength: 30 }), async some => {
        inputs += some.length;
        await judgeAll(some.map(written));
      }),
      { numRuns: 40, seed: 20_261_128, endOnFailure: true },
    );
    expect(answered).toBeGreaterThan(0.9 * inputs);
    const heapBefore = usedHeap();
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 3_000 }), { minLength: 20, maxLength: 30 }),
        async some => {
          inputs += 2 * some.length;
          await judgeAll(
            some.map(bytes => Buffer.from(bytes)),
            100,
          );
          await judgeAll(
            some.map(bytes => Buffer.concat([Buffer.from('GET / HTTP/1.1\r\nhost: '), bytes])),
            100,
          );
        },
      ),
      { numRuns: 10, seed: 20_261_128, endOnFailure: true },
    );
    expect(usedHeap() - heapBefore).toBeLessThan(100_000_000);
    await annotate(`${inputs} hostile requests`);

    expect([...(await counts())]).toEqual(before);
    await waitFor('no stream is left', () => events.streamCount === 0);
    expect(logged).toEqual([]);
    expect(String(await ask(plain('/')))).toMatch(/^HTTP\/1\.1 200 .*1\.25000/s);
  });
});

function written({ method, target, headers, body }: Sent): string {
  const given = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const has = (wanted: string) => headers.some(([name]) => name === wanted);
  const usual = [
    ...(has('host') ? [] : ['host: 127.0.0.1\r\n']),
    ...(has('content-length') || body === '' ? [] : [`content-length: ${body.length}\r\n`]),
    ...(has('connection') ? [] : ['connection: close\r\n']),
  ].join('');
  return `${method} ${target} HTTP/1.1\r\n${usual}${given}\r\n${body}`;
}

/** Put together and unpacked, as a browser would; what cannot be is as it came. */
async function readBody(head: string, raw: Buffer): Promise<string> {
  const whole = /^transfer-encoding: chunked/im.test(head) ? joined(raw) : raw;
  const [, coding = ''] = /^content-encoding: (\w+)/im.exec(head) ?? [];
  const unpack = { gzip: gunzip, br: brotliDecompress, deflate: inflate }[coding];
  if (unpack === undefined || whole.length === 0) return String(whole);
  return String(await promisify<Buffer, Buffer>(unpack)(whole).catch(() => whole));
}

function joined(chunked: Buffer): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < chunked.length; ) {
    const end = chunked.indexOf('\r\n', at);
    const length = end < 0 ? 0 : Number.parseInt(String(chunked.subarray(at, end)), 16);
    if (!(length > 0)) break;
    parts.push(chunked.subarray(end + 2, end + 2 + length));
    at = end + 2 + length + 2;
  }
  return Buffer.concat(parts);
}

/** Who asked whether to send its body was told so first. */
function withoutContinue(answer: Buffer): Buffer {
  const told = 'HTTP/1.1 100 Continue\r\n\r\n';
  return answer.indexOf(told) === 0 ? answer.subarray(told.length) : answer;
}
