import { randomUUID } from 'node:crypto';
import { type Sql, within } from '../../db/runtime/database.ts';
import type { Logger } from '../../db/runtime/logger.ts';

const channel = 'dashboard';

export interface ListenerOptions {
  /** Opens the pool of one connection that listens; opened anew when it turns out deaf. */
  readonly open: () => Sql;
  readonly logger: Logger;
  readonly onNotify: () => void;
  /** The heartbeat costs a query, so it beats only while this is true. */
  readonly isNeeded: () => boolean;
  readonly heartbeatInterval?: number;
}

export interface Listener {
  close(): Promise<void>;
}

/**
 * Listens on channel `dashboard` for the life of the process, one connection for all pages. A
 * half-open connection stays silent without an error, so the listener sends itself a heartbeat and
 * connects anew when two were not heard.
 */
export function createListener(options: ListenerOptions): Listener {
  const { logger, heartbeatInterval = 10_000 } = options;
  const beat = `heartbeat ${randomUUID()}`;
  const deadline = Math.max(1_000, heartbeatInterval);
  let sql: Sql | null = null;
  let unheard = 0;
  let isClosed = false;

  function hear(payload: string) {
    if (payload === beat) unheard = 0;
    else if (!payload.startsWith('heartbeat ')) options.onNotify();
  }

  async function connect() {
    const opened = options.open();
    sql = opened;
    // Whatever was sent before listening began, or began again, is read by the resync.
    await within(
      deadline,
      opened.listen(channel, hear, () => options.onNotify()),
    );
    unheard = 0;
  }

  async function reconnect() {
    await sql?.end({ timeout: 0 }).catch(() => undefined);
    sql = null;
    if (!isClosed) await connect();
  }

  async function check() {
    if (sql !== null && !options.isNeeded()) return;
    if (sql === null || unheard >= 2) {
      logger.debug('no heartbeat on channel dashboard: connecting anew');
      await reconnect();
      return;
    }
    unheard += 1;
    await within(deadline, sql`select pg_notify(${channel}, ${beat})`);
  }

  const failed = (error: unknown) => {
    // Once an outage: it is tried again every ten seconds.
    logger[unheard < 2 ? 'warn' : 'debug'](
      { err: error },
      'channel dashboard cannot be heard: pages are read every 5 s',
    );
    unheard = 2;
  };
  connect().catch(failed);
  let isChecking = false;
  const timer = setInterval(() => {
    if (isChecking) return;
    isChecking = true;
    check()
      .catch(failed)
      .finally(() => {
        isChecking = false;
      });
  }, heartbeatInterval);

  return {
    async close() {
      isClosed = true;
      clearInterval(timer);
      await sql?.end({ timeout: 1 }).catch(() => undefined);
    },
  };
}
