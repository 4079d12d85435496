import { within } from '../db/runtime/database.ts';
import { SilenceError } from '../db/runtime/errors.ts';
import type { Logger } from '../db/runtime/logger.ts';
import type { Dashboard, Status, WatchlistRow } from './dashboard.ts';
import * as format from './format.ts';

/** What is wrong with the database, and when it answered last, in milliseconds since 1970. */
export interface Fault {
  readonly reason: string;
  readonly since: number;
}

/** What pages can show while nothing new can be read. */
export interface Shared {
  readonly watchlist: readonly WatchlistRow[];
  readonly status: Status;
}

/** An answer, or the last one of its kind with what is wrong now. */
export interface Latest<T> {
  readonly answer: T;
  /** A sentence for who looks at it; null: the answer is of now. */
  readonly fault: string | null;
}

/** The dashboard as pages read it: each question has a deadline, and what it last answered is kept. */
export interface Reader extends Dashboard {
  /** @throws what reading threw when nothing is known yet. */
  latest<Name extends keyof Shared>(name: Name): Promise<Latest<Shared[Name]>>;
  /** Null while the database answers. */
  fault(): Fault | null;
  /** What is wrong, since when, and of when that is which pages show; null while the database answers. */
  describeFault(name?: keyof Shared): string | null;
  close(): unknown;
}

/** A dashboard on connections of its own. */
export type Connection = Dashboard & { readonly close: () => unknown };

export interface ReaderOptions {
  readonly open: () => Connection;
  readonly logger: Logger;
  /** A question without an answer for so many milliseconds has failed; more than the server's own timeout. */
  readonly patience?: number;
  /** The same for a heartbeat; then all other questions have failed too, unless one was answered meanwhile. */
  readonly heartbeatPatience?: number;
  /** The same for a question that is asked while the database is known to be away. */
  readonly patienceInFault?: number;
  /** Connections without an answer for so many milliseconds are given up for new ones. */
  readonly giveUpAfter?: number;
  readonly now?: () => number;
}

const time = (milliseconds: number) =>
  format.utc(new Date(milliseconds).toISOString().replace(/\.\d+/, ''));

/** Opens connections as they are needed, and anew when the database went silent on them. */
export function createReader(options: ReaderOptions): Reader {
  const { open, logger, patience = 5_500, heartbeatPatience = 2_000 } = options;
  const { patienceInFault = 500, giveUpAfter = 7_000, now = Date.now } = options;
  let connection = open();
  let fault: Fault | null = null;
  /** Rejects when the database goes away. */
  let departure = Promise.withResolvers<never>();
  departure.promise.catch(() => undefined);
  let answeredAt = now();
  const known = new Map<keyof Shared, { answer: unknown; at: number }>();
  const failing = new Set<keyof Shared>();

  const close = async (closed: Connection) => closed.close();

  function hear() {
    answeredAt = now();
    if (fault !== null) logger.info('the database answers again');
    fault = null;
  }

  function blame(error: unknown, askedAt: number) {
    if (fault !== null || isAnswer(error)) return;
    const isSilent = error instanceof SilenceError;
    // Slow with this question, and not with others.
    if (isSilent && answeredAt > askedAt) return;
    const reason = isSilent ? 'does not answer' : 'cannot be reached';
    fault = { reason, since: answeredAt };
    logger.warn({ err: error, since: time(answeredAt) }, `the database ${reason}`);
    departure.reject(error);
    departure = Promise.withResolvers<never>();
    departure.promise.catch(() => undefined);
  }

  function giveUp(silent: Connection) {
    if (silent !== connection) return;
    connection = open();
    close(silent).catch((error: unknown) => logger.debug({ err: error }, 'could not close'));
  }

  async function ask<T>(
    question: (connection: Connection) => Promise<T>,
    longest = patience,
  ): Promise<T> {
    const asked = connection;
    const askedAt = now();
    const timer = setTimeout(() => giveUp(asked), giveUpAfter);
    const answer = question(asked).finally(() => clearTimeout(timer));
    // One that comes too late for who asked still says that the database is there.
    answer.then(hear, error => blame(error, askedAt));
    try {
      return await within(
        fault === null ? longest : Math.min(patienceInFault, longest),
        Promise.race([answer, departure.promise]),
      );
    } catch (error) {
      blame(error, askedAt);
      throw error;
    }
  }

  async function askShared<Name extends keyof Shared>(name: Name): Promise<Shared[Name]> {
    const question: (connection: Connection) => Promise<unknown> = asked => asked[name]();
    try {
      const answer = await ask(async asked => {
        const given = (await question(asked)) as Shared[Name];
        known.set(name, { answer: given, at: now() });
        return given;
      });
      failing.delete(name);
      return answer;
    } catch (error) {
      if (fault === null && !failing.has(name)) {
        logger.error({ err: error }, `${name} cannot be read: pages show what was last known`);
      }
      failing.add(name);
      throw error;
    }
  }

  function describeFault(name?: keyof Shared): string | null {
    const at = name === undefined ? undefined : known.get(name)?.at;
    const isFailing = name !== undefined && failing.has(name);
    if (fault === null && !isFailing) return null;
    const what =
      fault === null
        ? 'The database does not answer what this page asks.'
        : `The database ${fault.reason}. Its last answer came at ${time(fault.since)}.`;
    const seen = at === undefined ? '' : ` What you see is of ${time(at)}.`;
    return `${what}${seen} It is tried again every 5 s.`;
  }

  return {
    watchlist: () => askShared('watchlist'),
    status: () => askShared('status'),
    indicator: id => ask(asked => asked.indicator(id)),
    chart: (id, from, count) => ask(asked => asked.chart(id, from, count)),
    trackRecord: id => ask(asked => asked.trackRecord(id)),
    instrument: symbol => ask(asked => asked.instrument(symbol)),
    rating: (...question) => ask(asked => asked.rating(...question)),
    candles: (...question) => ask(asked => asked.candles(...question)),
    ticks: (...question) => ask(asked => asked.ticks(...question)),
    beat: (host, processId) => ask(asked => asked.beat(host, processId), heartbeatPatience),
    sayGoodbye: (host, processId) => ask(asked => asked.sayGoodbye(host, processId)),
    async latest(name) {
      try {
        return { answer: await askShared(name), fault: null };
      } catch (error) {
        const last = known.get(name);
        if (last === undefined) throw error;
        return { answer: last.answer as Shared[typeof name], fault: describeFault(name) };
      }
    },
    fault: () => fault,
    describeFault,
    close: () => close(connection),
  };
}

/** Whether it is the server that says no, and not the way to it. */
function isAnswer(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { name?: unknown; code?: unknown };
  return name === 'PostgresError' && !/^(08|57P0)/.test(String(code));
}
