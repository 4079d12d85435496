type Bytes = Uint8Array<ArrayBuffer>;

/** Where a browser's stream is written; resolves when the bytes are taken, so a slow one waits. */
export type Send = (bytes: Bytes) => Promise<unknown>;

/** One browser's stream. What cannot be written yet is replaced by what is newer, never queued. */
export interface Stream {
  /** True until the first whole was offered. */
  readonly needsWhole: boolean;
  /** Milliseconds that the write in progress has taken; 0 when there is none. */
  readonly stuckFor: number;
  /** Offers a whole region, which makes older parts of it superfluous. */
  offerWhole(html: string, id: number): void;
  /** Offers changed parts; `shared` makes the same text for every stream that is not behind. */
  offerParts(parts: ReadonlyMap<string, string>, id: number, shared: () => Bytes): void;
  /** Sends a named event; of each name only the newest waits. */
  notice(event: string, data: string): void;
  /** Ends the stream. */
  end(): void;
}

interface Pending {
  readonly whole: string | null;
  readonly parts: ReadonlyMap<string, string>;
  readonly notices: ReadonlyMap<string, string>;
}

const encoder = new TextEncoder();
const nothing: Pending = { whole: null, parts: new Map(), notices: new Map() };

/** A replacement of one element, which htmx morphs into the page. */
export const partial = (id: string, html: string) =>
  `<hx-partial hx-target="#${id}" hx-swap="outerMorph">${html}</hx-partial>`;

const message = (fields: { event?: string; id?: string; data: string }) =>
  [
    ...(fields.event === undefined ? [] : [`event: ${fields.event}`]),
    ...fields.data.split(/\r\n|\r|\n/).map(line => `data: ${line}`),
    ...(fields.id === undefined ? [] : [`id: ${fields.id}`]),
    '\n',
  ].join('\n');

function compose(pending: Pending, id: number): Bytes {
  const messages = [...pending.notices].map(([event, data]) => message({ event, data }));
  const parts = [...pending.parts].map(([elementId, html]) => partial(elementId, html));
  if (pending.whole !== null || parts.length > 0) {
    messages.push(message({ id: String(id), data: (pending.whole ?? '') + parts.join('') }));
    // Named, and after the swap: the nudge for whatever a page fetches by itself.
    messages.push(message({ event: 'changed', data: String(id) }));
  }
  return encoder.encode(messages.join(''));
}

/** The bytes of changed parts, to be made once for all streams that are not behind. */
export function composeParts(parts: ReadonlyMap<string, string>, id: number): Bytes {
  return compose({ ...nothing, parts }, id);
}

/** Creates a stream; `onEnd` is called once, when it must be closed. */
export function createStream(send: Send, onEnd: () => void): Stream {
  let needsWhole = true;
  let writingSince: number | null = null;
  let lastId = 0;
  let whole: string | null = null;
  const parts = new Map<string, string>();
  const notices = new Map<string, string>();

  function write(bytes: Bytes) {
    writingSince = performance.now();
    send(bytes).then(() => {
      writingSince = null;
      flush();
    }, onEnd);
  }

  function flush() {
    if (writingSince !== null) return;
    if (whole === null && parts.size === 0 && notices.size === 0) return;
    const bytes = compose({ whole, parts, notices }, lastId);
    whole = null;
    parts.clear();
    notices.clear();
    write(bytes);
  }

  return {
    get needsWhole() {
      return needsWhole;
    },
    get stuckFor() {
      return writingSince === null ? 0 : performance.now() - writingSince;
    },
    offerWhole(html, id) {
      needsWhole = false;
      lastId = id;
      whole = html;
      parts.clear();
      flush();
    },
    offerParts(changed, id, shared) {
      lastId = id;
      if (writingSince === null) {
        write(shared());
        return;
      }
      for (const [elementId, html] of changed) parts.set(elementId, html);
    },
    notice(event, data) {
      notices.set(event, data);
      flush();
    },
    end: onEnd,
  };
}
