import type { Logger } from '../../db/runtime/logger.ts';
import type { Feed } from './feed.ts';
import type { SourceEvent } from './source.ts';

const writeEveryMs = 2_000;

/**
 * Writes down when we listened to a source, from the events that it reports, so that a gap never
 * looks like a quiet market. Writes are few and may fail: the next one covers them.
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
  let connectedAt: string | undefined;
  let writtenAt = 0;
  let writes: Promise<unknown> = Promise.resolve();

  const write = (what: () => Promise<void>): void => {
    writes = writes
      .then(what)
      .catch((error: unknown) => logger.debug({ err: error }, 'coverage not written'));
  };

  return {
    report(event) {
      const now = new Date().toISOString();
      switch (event.kind) {
        case 'connected':
          connectedAt = now;
          logger.info({ source }, `${source} connected`);
          write(() => feed.recordState(source, 'connected', null));
          break;
        case 'alive': {
          const from = connectedAt;
          if (from === undefined || Date.now() - writtenAt < writeEveryMs) return;
          writtenAt = Date.now();
          write(() => feed.extendCoverage(source, from, now));
          break;
        }
        case 'disconnected': {
          connectedAt = undefined;
          logger.warn(
            { source, reason: event.reason, retryInMs: event.retryInMs },
            `${source} disconnected`,
          );
          write(() => feed.recordState(source, 'disconnected', event.reason));
          break;
        }
        case 'rejected':
          write(() => feed.rejectTicks(source, [event.rejection]));
          break;
      }
    },
    settle: async () => {
      await writes;
    },
  };
}
