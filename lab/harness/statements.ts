import { openProxy } from '../../tests/support/proxy.ts';

/** A way to the database that counts what goes over it. */
export interface Meter {
  /** The database's URL, by way of the meter. */
  readonly url: string;
  /** How often each statement was run, by the beginning of its text. */
  counts(): ReadonlyMap<string, number>;
  close(): Promise<void>;
}

/** Until then a first packet has no type: a startup, or the wish for encryption. */
interface Reader {
  buffer: Buffer;
  isStarted: boolean;
  /** Texts of prepared statements, and which of them a portal runs. */
  readonly prepared: Map<string, string>;
  readonly portals: Map<string, string>;
}

/**
 * Passes connections on to a PostgreSQL server and counts the statements in PostgreSQL's own protocol:
 * it needs no setting and no extension of the server, and knows which process sent what.
 */
export async function openMeter(databaseUrl: string): Promise<Meter> {
  const counts = new Map<string, number>();
  const proxy = await openProxy(databaseUrl, () => {
    const reader: Reader = {
      buffer: Buffer.alloc(0),
      isStarted: false,
      prepared: new Map(),
      portals: new Map(),
    };
    return data => read(reader, data, counts);
  });
  const url = new URL(databaseUrl);
  url.hostname = '127.0.0.1';
  url.port = String(proxy.port);
  return { url: url.href, counts: () => new Map(counts), close: () => proxy.close() };
}

function read(reader: Reader, data: Buffer, counts: Map<string, number>): void {
  reader.buffer = Buffer.concat([reader.buffer, data]);
  for (;;) {
    const { buffer } = reader;
    const head = reader.isStarted ? 1 : 0;
    if (buffer.length < head + 4) return;
    const length = head + buffer.readInt32BE(head);
    if (buffer.length < length) return;
    reader.buffer = buffer.subarray(length);
    const body = buffer.subarray(head + 4, length);
    if (reader.isStarted) take(reader, String.fromCharCode(buffer[0] ?? 0), body, counts);
    // A startup of protocol 3; before it may come a wish for encryption.
    else if (body.readInt32BE(0) >> 16 === 3) reader.isStarted = true;
  }
}

function take(reader: Reader, type: string, body: Buffer, counts: Map<string, number>): void {
  const [first = '', second = ''] = body.toString('utf8').split('\0', 2);
  const count = (text: string): void => {
    const name = shorten(text);
    counts.set(name, (counts.get(name) ?? 0) + 1);
  };
  if (type === 'Q') count(first);
  else if (type === 'P') reader.prepared.set(first, second);
  else if (type === 'B') reader.portals.set(first, reader.prepared.get(second) ?? '');
  else if (type === 'E') count(reader.portals.get(first) ?? '');
}

/** Enough to know it by: a function or table with its verb, without comments. */
function shorten(text: string): string {
  const plain = text.replaceAll(/--.*$/gm, ' ').replaceAll(/\s+/g, ' ').trim();
  const called = /\b(?:select|from|call|join)\s+(?:\*\s+from\s+)?"?(\w+"?\."?\w+"?\s*\()/i.exec(
    plain,
  );
  if (called?.[1] !== undefined) return called[1].replaceAll(/["\s(]/g, '');
  return plain.slice(0, 60);
}
