import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

/** What AWS clients sign their requests with; they read it from a credentials file or the environment. */
export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** What a request says of its signature, AWS Signature Version 4. */
export interface Signature {
  readonly accessKeyId: string;
  /** Date, region, service and version, of which the signing key is made. */
  readonly scope: readonly string[];
  readonly signedHeaders: readonly string[];
  readonly hex: string;
}

/** As far as Amazon lets a client's clock be off. */
const MAX_SKEW_MS = 15 * 60_000;
/** Without these a signature would fit other requests too. */
const MUST_SIGN = ['host', 'x-amz-date', 'x-amz-target'];

/** Undefined when it is none, or one of another service or another day. */
export function readSignature(headers: IncomingHttpHeaders, now: number): Signature | undefined {
  const found =
    /^AWS4-HMAC-SHA256 Credential=([^/,\s]{1,128})\/([^,\s]{1,200}), ?SignedHeaders=([a-z0-9;-]{1,2000}), ?Signature=([0-9a-f]{64})$/.exec(
      headers.authorization ?? '',
    );
  if (found === null) return undefined;
  const [, accessKeyId = '', scopeText = '', names = '', hex = ''] = found;
  const scope = scopeText.split('/');
  const [day, , service, version] = scope;
  const signedHeaders = names.split(';');
  const at = String(headers['x-amz-date']);
  if (scope.length !== 4 || service !== 'sqs' || version !== 'aws4_request') return undefined;
  if (day !== at.slice(0, 8) || !(Math.abs(timeOf(at) - now) <= MAX_SKEW_MS)) return undefined;
  if (!MUST_SIGN.every(name => signedHeaders.includes(name))) return undefined;
  return { accessKeyId, scope, signedHeaders, hex };
}

/** Whether who sent this POST to `/` has the secret key, and what came is what was sent. */
export function isSigned(
  { signedHeaders, scope, hex }: Signature,
  headers: IncomingHttpHeaders,
  body: Buffer,
  { secretAccessKey }: Credentials,
): boolean {
  const canonical = [
    'POST',
    '/',
    '',
    ...signedHeaders.map(
      name =>
        `${name}:${String(headers[name] ?? '')
          .trim()
          .replaceAll(/\s+/g, ' ')}`,
    ),
    '',
    signedHeaders.join(';'),
    sha256(body),
  ].join('\n');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope.join('/'), sha256(canonical)];
  const key = scope.reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  return timingSafeEqual(hmac(key, text.join('\n')), Buffer.from(hex, 'hex'));
}

/** In a time that does not tell how much of it was right. */
export function isSameText(one: string, other: string): boolean {
  return timingSafeEqual(hmac('', one), hmac('', other));
}

function timeOf(compact: string): number {
  const [, ...parts] = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(compact) ?? [];
  const [year = '', month, day, hour, minute, second] = parts;
  return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
}

const sha256 = (data: string | Buffer): string => createHash('sha256').update(data).digest('hex');

const hmac = (key: string | Buffer, data: string): Buffer =>
  createHmac('sha256', key).update(data).digest();
