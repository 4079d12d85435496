import { connect } from 'node:net';
import { promisify } from 'node:util';
import { brotliDecompress, gunzip, inflate } from 'node:zlib';
import fc from 'fast-check';

/** If it comes back as it was sent, somebody else's words are markup of ours. */
const mark = '<i x="\'7q8w">';

export interface Request {
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

/** Every address that there is, those of an instrument and of an indicator, and some that are none. */
export const routesOf = (symbol: string, id: number): string[] => [
  ...['/', '/status', '/healthz', '/readyz', '/events', '/{}', '/static/{}', '/static/page.js'],
  ...[`/instruments/${symbol}`, '/instruments/{}', `/instruments/${symbol}/ticks`, '/{}/{}'],
  ...['/instruments/{}/ticks', '/indicators/{}', `/indicators/${id}`, '/indicators/{}/chart.json'],
  ...[`/indicators/${id}/chart.json`, '/api/v1/{}', '//{}', '/./{}', '/instruments/{}/../{}'],
];

/** To routes in which each {} stands for something hostile. */
export function hostileRequests(routes: readonly string[]): fc.Arbitrary<Request> {
  return fc
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
    .map(({ route, parts, query, ...rest }): Request => {
      let next = 0;
      const path = route.replaceAll('{}', () => parts[next++] ?? '');
      const asked = query.map(([name, value]) => `${name}=${value}`).join('&');
      return { ...rest, target: asked === '' ? path : `${path}?${asked}` };
    });
}

/** Bytes that are no request, and some that begin like one. */
export const noRequests = fc.uint8Array({ maxLength: 3_000 }).map(bytes => Buffer.from(bytes));
export const begun = (bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from('GET / HTTP/1.1\r\nhost: '), bytes]);

/** As it goes over the line. */
export function written({ method, target, headers, body }: Request): string {
  const given = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const has = (wanted: string) => headers.some(([name]) => name === wanted);
  const usual = [
    ...(has('host') ? [] : ['host: 127.0.0.1\r\n']),
    ...(has('content-length') || body === '' ? [] : [`content-length: ${body.length}\r\n`]),
    ...(has('connection') ? [] : ['connection: close\r\n']),
  ].join('');
  return `${method} ${target} HTTP/1.1\r\n${usual}${given}\r\n${body}`;
}

/**
 * What came, a moment of a stream; empty when nothing did. Who is told nothing for so long has not said all that
 * was announced, and hangs up.
 *
 * @throws when the other side does not hang up then.
 */
export async function ask(
  port: number,
  request: string | Buffer,
  { silenceMs = 4_000, longestMs = 10_000 } = {},
): Promise<{ bytes: Buffer; isSilent: boolean }> {
  const socket = connect(port, '127.0.0.1');
  const parts: Buffer[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  let isSilent = false;
  const late = setTimeout(() => reject(new Error(`no answer in ${longestMs} ms`)), longestMs);
  let pause = setTimeout(() => {
    isSilent = true;
    socket.end();
  }, silenceMs);
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
    return { bytes: await promise, isSilent };
  } finally {
    clearTimeout(late);
    clearTimeout(pause);
    socket.destroy();
  }
}

export interface Answer {
  /** NaN: it is no answer, or not the whole head of one. */
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** @returns undefined when nothing came. */
export async function readAnswer(bytes: Buffer): Promise<Answer | undefined> {
  const answer = withoutContinue(bytes);
  if (answer.length === 0) return undefined;
  const end = answer.indexOf('\r\n\r\n');
  const head = String(answer.subarray(0, end));
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  return { status, head, body: await readBody(head, answer.subarray(end + 4)) };
}

/** What no answer may tell; empty: it does not. */
export function faultOf({ status, head, body }: Answer): string {
  if (body.includes(mark) || head.includes(mark)) return `${status}: tells the mark unchanged`;
  if (/^set-cookie/im.test(head)) return `${status}: sets a cookie`;
  if (/\bat .*\.ts:\d|node_modules|postgres:\/\//.test(body))
    return `${status}: tells of its inside`;
  return '';
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
