import type { Logger } from '../../db/runtime/logger.ts';
import type { Reader, Shared } from '../reader.ts';
import { composeParts, createStream, partial, type Send, type Stream } from './stream.ts';

/** A piece of a page: its element's id is its key, its signature says whether it changed. */
export interface Part {
  readonly signature: string;
  readonly html: () => string;
}

/** A live region: while its shape stays, changed parts are sent; when it changes, the whole. */
export interface Rendering {
  readonly shape: string;
  readonly id: string;
  readonly whole: () => string;
  readonly parts: ReadonlyMap<string, Part>;
}

type Source = keyof Shared;

/** What pages of one kind and choice show; equal keys mean equal content. */
export type Topic = {
  [S in Source]: {
    readonly key: string;
    readonly source: S;
    readonly render: (answer: Shared[S], now: number) => Rendering;
  };
}[Source];

/** Feeds all open pages from one reader. */
export interface Events {
  /** @returns how to leave (idempotent); null when the client is refused. */
  join(topic: Topic, send: Send, onEnd: () => void, client?: string): (() => void) | null;
  /** Something changed in the database; cheap, may come in any number. */
  notify(): void;
  readonly streamCount: number;
  /** Why another stream of a client would be refused; null when it would not. */
  refusal(client: string): string | null;
  /** Ends all streams. */
  close(): void;
}

export interface EventsOptions {
  readonly dashboard: Pick<Reader, Source | 'describeFault'>;
  readonly logger: Logger;
  readonly maxStreams?: number;
  /** Of one client, so that none takes all. */
  readonly maxStreamsOfClient?: number;
  /** Shortest time between two pushes in milliseconds. */
  readonly pushInterval?: number;
  /** Pages are read again this often though nobody notified: notifications can be lost. */
  readonly rereadInterval?: number;
  /** page.js takes a silence of twice as long for the end of the connection. */
  readonly pingInterval?: number;
  readonly now?: () => number;
}

interface Group {
  readonly topic: Topic;
  readonly streams: Set<Stream>;
  shown: { readonly shape: string; readonly signatures: ReadonlyMap<string, string> } | null;
  isFaulty: boolean;
}

const stuckAfterPings = 9;

/** Creates the hub between the one database reader and the browsers' streams. */
export function createEvents(options: EventsOptions): Events {
  const { dashboard, logger, maxStreams = 1_000, maxStreamsOfClient = 100 } = options;
  const { pushInterval = 100 } = options;
  const { rereadInterval = 5_000, pingInterval = 5_000, now = Date.now } = options;
  const groups = new Map<string, Group>();
  const wanted = new Set<Source>();
  const clients = new Map<string, number>();
  let streamCount = 0;
  let lastId = 0;
  let isClosed = false;
  let isPushing = false;
  let lastPush = Number.NEGATIVE_INFINITY;
  let lastPushTook = 0;
  let nextPush: NodeJS.Timeout | undefined;
  let timers: NodeJS.Timeout[] = [];

  function wake() {
    timers = [
      setInterval(() => want('watchlist', 'status'), rereadInterval),
      setInterval(ping, pingInterval),
    ];
  }

  function sleep() {
    for (const timer of timers) clearInterval(timer);
    clearTimeout(nextPush);
    nextPush = undefined;
    wanted.clear();
  }

  function want(...sources: Source[]) {
    if (streamCount === 0) return;
    for (const source of sources) wanted.add(source);
    if (nextPush !== undefined || isPushing) return;
    // A push that takes long (many pages, slow database) is followed by as long a rest.
    const rest = Math.max(pushInterval, lastPushTook);
    nextPush = setTimeout(push, Math.max(0, lastPush + rest - performance.now()));
  }

  function push() {
    nextPush = undefined;
    isPushing = true;
    lastPush = performance.now();
    const sources = [...wanted];
    wanted.clear();
    void Promise.all(sources.map(read)).then(() => {
      isPushing = false;
      lastPushTook = performance.now() - lastPush;
      want(...wanted);
    });
  }

  /** Reads once for all pages of a source. Never rejects. */
  async function read(source: Source) {
    const interested = () => [...groups.values()].filter(group => group.topic.source === source);
    if (interested().length === 0) return;
    try {
      const answer = await dashboard[source]();
      lastId = Math.max(lastId + 1, now());
      for (const group of interested()) deliver(group, answer);
    } catch (error) {
      // Once an outage, not every five seconds of it.
      const isNew = interested().some(group => !group.isFaulty);
      logger[isNew ? 'warn' : 'debug']({ err: error }, `${source} could not be read`);
      for (const group of interested()) {
        group.isFaulty = true;
        tell(group, 'fault', dashboard.describeFault(source) ?? '');
      }
    }
  }

  function deliver(group: Group, answer: Shared[Source]) {
    // The topic's source chose the answer, which the compiler cannot follow through the union.
    const rendering = group.topic.render(answer as never, now());
    const signatures = new Map([...rendering.parts].map(([id, part]) => [id, part.signature]));
    const previous = group.shown;
    group.shown = { shape: rendering.shape, signatures };
    if (group.isFaulty) tell(group, 'recovered', '');
    group.isFaulty = false;

    const before = previous?.shape === rendering.shape ? previous.signatures : null;
    const changed = new Map<string, string>();
    for (const [id, part] of before === null ? [] : rendering.parts) {
      if (before?.get(id) !== part.signature) changed.set(id, part.html());
    }
    offer(group, rendering, before !== null, changed);
  }

  function offer(
    group: Group,
    rendering: Rendering,
    isSameShape: boolean,
    changed: ReadonlyMap<string, string>,
  ) {
    let whole: string | undefined;
    let bytes: ReturnType<typeof composeParts> | undefined;
    const shared = () => {
      bytes ??= composeParts(changed, lastId);
      return bytes;
    };
    for (const stream of group.streams) {
      // A page may have been made while nothing could be read, and say so.
      if (stream.needsWhole) stream.notice('recovered', '');
      if (stream.needsWhole || !isSameShape) {
        whole ??= partial(rendering.id, rendering.whole());
        stream.offerWhole(whole, lastId);
      } else if (changed.size > 0) {
        stream.offerParts(changed, lastId, shared);
      }
    }
  }

  function tell(group: Group, event: string, data: string) {
    for (const stream of group.streams) stream.notice(event, data);
  }

  function ping() {
    for (const group of groups.values()) {
      for (const stream of group.streams) {
        if (stream.stuckFor > stuckAfterPings * pingInterval) stream.end();
      }
      // The server's clock rides along, so that ages are right on a machine whose clock is not.
      tell(group, 'ping', String(now()));
    }
  }

  function leave(group: Group, stream: Stream, client: string) {
    if (!group.streams.delete(stream)) return;
    const left = (clients.get(client) ?? 0) - 1;
    if (left > 0) clients.set(client, left);
    else clients.delete(client);
    if (group.streams.size === 0) groups.delete(group.topic.key);
    streamCount -= 1;
    if (streamCount === 0) sleep();
  }

  const refusal = (client: string) =>
    isClosed || streamCount >= maxStreams
      ? 'too many open pages'
      : (clients.get(client) ?? 0) >= maxStreamsOfClient
        ? 'too many open pages from your address'
        : null;

  return {
    refusal,
    join(topic, send, onEnd, client = '') {
      if (refusal(client) !== null) return null;
      clients.set(client, (clients.get(client) ?? 0) + 1);
      const known = groups.get(topic.key);
      const group = known ?? { topic, streams: new Set(), shown: null, isFaulty: false };
      const stream = createStream(send, onEnd);
      groups.set(topic.key, group);
      group.streams.add(stream);
      streamCount += 1;
      if (streamCount === 1) wake();
      stream.notice('ping', String(now()));
      want(topic.source);
      return () => leave(group, stream, client);
    },
    notify: () => want('watchlist'),
    get streamCount() {
      return streamCount;
    },
    close() {
      isClosed = true;
      sleep();
      for (const group of groups.values()) for (const stream of group.streams) stream.end();
    },
  };
}
