import { randomUUID } from 'node:crypto';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { Logger } from '../../db/runtime/logger.ts';
import { type Credentials, isSameText, isSigned, readSignature } from './signature.ts';

/** What stays outside, and why; told to who asked, and once in the log. */
const refusals = {
  host: 'Host is not this machine: a page of the web may have led a browser here',
  origin: 'a web page asks (Origin): no page may use this queue',
  path: 'only SQS is served, as a POST to /',
  protocol:
    'only the AWS JSON 1.0 protocol is spoken: an AWS client from before 2024, which speaks the Query protocol, needs an SQS that knows both, as docker-compose.yml starts one',
  unsigned: 'the request is not signed for SQS now (AWS Signature Version 4)',
  key: 'the access key is not the one in queue.credentials of the data folder',
  signature: 'the signature does not fit the secret key in queue.credentials of the data folder',
  size: 'the request is too large for SQS',
} as const;

export type Refusal = keyof typeof refusals;

/** An answer of SQS. */
export interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/**
 * What is behind the door: it is given whole JSON objects of who has the credentials, and nothing else. `isGone`
 * says that nobody waits for the answer any more.
 */
export type Handle = (
  body: Record<string, unknown>,
  headers: IncomingHttpHeaders,
  isGone: () => boolean,
) => Promise<Answer>;

/** A batch of SQS has 1 MiB at most, and a character of it may take six in JSON. */
const MAX_BYTES = 7 * 1024 * 1024;
/** Longer than clients keep an idle connection, else they meet one that is just being closed. */
const KEEP_ALIVE_MS = 72_000;
const loopback = ['127.0.0.1', 'localhost', '[::1]'];

/**
 * The only way to the queues. Each user of this machine and each page in a browser on it can reach a port
 * of loopback, so every request must carry a signature that only who reads the data folder can make.
 */
export function createDoor(options: {
  readonly credentials: Credentials;
  readonly handle: Handle;
  readonly logger: Logger;
}): Server {
  const { logger } = options;
  const told = new Set<Refusal>();

  function refuse(kind: Refusal, request: IncomingMessage, response: ServerResponse): void {
    if (!told.has(kind)) {
      told.add(kind);
      const { host = '', origin = '' } = request.headers;
      const from = { host: host.slice(0, 200), origin: origin.slice(0, 200) };
      logger.warn(from, `the embedded queue refuses requests: ${refusals[kind]}`);
    }
    // What is left of the request is not read.
    response.setHeader('connection', 'close');
    if (isForm(request)) sendXml(response, refusals[kind]);
    else send(response, { status: 403, body: fault('AccessDeniedException', refusals[kind]) });
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const found = await examine(request, options.credentials);
    if (typeof found === 'string') return refuse(found, request, response);
    const body = parseObject(found);
    if (body === undefined) {
      const reason = 'the body must be a JSON object';
      return send(response, { status: 400, body: fault('SerializationException', reason) });
    }
    // A queue's URL has the address of the host that its creator called, which is to be this one.
    const host = `127.0.0.1:${request.socket.localPort}`;
    const isGone = () => response.destroyed;
    send(response, await options.handle(body, { ...request.headers, host }, isGone));
  }

  return createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      if (response.destroyed || request.destroyed) return;
      logger.error({ err: error }, 'the embedded queue failed');
      send(response, { status: 500, body: fault('InternalFailure', 'see the log of start') });
    });
  });
}

/** The body of a request that may come in; nothing of others is read. */
async function examine(
  request: IncomingMessage,
  credentials: Credentials,
): Promise<Buffer | Refusal> {
  const { headers, method, url } = request;
  if (!loopback.includes((headers.host ?? '').replace(/:\d+$/, ''))) return 'host';
  if (headers.origin !== undefined) return 'origin';
  // Of an older client, which posts them to the address of a queue.
  if (isForm(request)) return 'protocol';
  if (method !== 'POST' || url !== '/') return 'path';
  if (headers['content-type'] !== 'application/x-amz-json-1.0') return 'protocol';
  const signature = readSignature(headers, Date.now());
  if (signature === undefined) return 'unsigned';
  if (!isSameText(signature.accessKeyId, credentials.accessKeyId)) return 'key';
  const body = await readBody(request);
  if (body === undefined) return 'size';
  return isSigned(signature, headers, body, credentials) ? body : 'signature';
}

function isForm({ headers }: IncomingMessage): boolean {
  return (headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
}

/** Undefined when it is too large. Listeners, since an iterator costs as much as all the rest of a request. */
function readBody(request: IncomingMessage): Promise<Buffer | undefined> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > MAX_BYTES) resolve(undefined);
      else chunks.push(chunk);
    });
    request.on('end', () => resolve(Buffer.concat(chunks)));
    request.on('error', reject);
  });
}

function parseObject(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(body.toString());
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function fault(name: string, message: string): Record<string, string> {
  return { __type: `com.amazonaws.sqs#${name}`, message };
}

function send(response: ServerResponse, { status, headers, body }: Answer): void {
  response.writeHead(status, {
    'content-type': 'application/x-amz-json-1.0',
    'x-amzn-requestid': randomUUID(),
    ...headers,
  });
  response.end(JSON.stringify(body ?? {}));
}

/** A refusal as clients of the Query protocol read and show it. Nothing of the request stands in it. */
function sendXml(response: ServerResponse, message: string): void {
  const requestId = randomUUID();
  response.writeHead(403, { 'content-type': 'text/xml', 'x-amzn-requestid': requestId });
  response.end(
    '<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error><Type>Sender</Type>' +
      `<Code>AccessDenied</Code><Message>${message}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
  );
}
