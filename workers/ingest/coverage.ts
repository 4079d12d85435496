import type { Logger } from '../../db/runtime/logger.ts';
import type { Feed } from './feed.ts';
import type { Rejection } from './rejection.ts';
import type { SourceEvent } from './source.ts';

const writeEveryMs = 2_000;
/** Rejections that may wait for the database; a flood above it is counted, not kept. */
const maxWaiting = 5_000;

/**
 * Writes down what a source reports: when we listened to it, so that a gap never looks like a quiet
 * market, and what it sent that is no tick. Writes are few and may fail: the next one covers them.
 */
export function createCoverage({
  feed,
  source,
  logger,
}: {
  feed: Feed;
  source: string;
  logger: Logger;
}): { report: (event: SourceEvent) => void; settle: () => Promise<void> } {
  let coveredFrom: string | undefined;
  let writtenAt = 0;
  let writes: Promise<unknown> = Promise.resolve();
  let rejections: Rejection[] = [];
  let dropped = 0;

  const write = (what: () => Promise<void>): void => {
    writes = writes
      .then(what)
      .catch((error: unknown) => logger.debug({ err: error }, 'coverage not written'));
  };

  let unwritten: { state: 'connected' | 'disconnected'; reason: string | null } | undefined;

  /** The source tells its state once, so it is kept until it is written. */
  async function writeState(): Promise<void> {
    const wanted = unwritten;
    if (wanted === undefined) return;
    await feed.recordState(source, wanted.state, wanted.reason);
    if (unwritten === wanted) unwritten = undefined;
  }

  const reject = (rejection: Rejection): void => {
    if (rejections.length >= maxWaiting) dropped += 1;
    else rejections.push(rejection);
    if (rejections.length === 1) write(writeRejections);
  };

  async function writeRejections(): Promise<void> {
    const [batch, lost] = [rejections, dropped];
    if (batch.length === 0) return;
    rejections = [];
    dropped = 0;
    const detail = `${lost} more rejections came while the database was away`;
    const more: Rejection[] =
      lost === 0 ? [] : [{ symbol: null, reason: 'too_many', detail, raw: '' }];
    try {
      await feed.rejectTicks(source, [...batch, ...more]);
    } catch (error) {
      rejections = [...batch, ...rejections];
      dropped += lost;
      throw error;
    }
  }

  return {
    report(event) {
      const now = new Date().toISOString();
      switch (event.kind) {
        case 'connected':
          coveredFrom = event.coveredFrom ?? now;
          logger.info({ source }, `${source} connected`);
          unwritten = { state: 'connected', reason: null };
          write(writeState);
          break;
        case 'alive': {
          const from = coveredFrom;
          if (from === undefined || Date.now() - writtenAt < writeEveryMs) return;
          writtenAt = Date.now();
          write(writeState);
          write(() => feed.extendCoverage(source, from, now));
          write(writeRejections);
          break;
        }
        case 'disconnected': {
          coveredFrom = undefined;
          const { reason, retryInMs } = event;
          logger.warn({ source, reason, retryInMs }, `${source} disconnected`);
          unwritten = { state: 'disconnected', reason };
          write(writeState);
          break;
        }
        case 'rejected':
          reject(event.rejection);
          break;
      }
    },
    settle: async () => {
      await writes;
    },
  };
}
