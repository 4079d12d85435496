import { setTimeout as sleep } from 'node:timers/promises';
import { openDatabase, type Sql } from '../../db/runtime/database.ts';
import { testLogger } from '../../tests/support/database.ts';
import type { Random } from '../../tests/support/random.ts';
import { type Counts, createFeed } from '../../workers/ingest/feed.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import type { FakeOanda } from '../../workers/ingest/sources/oanda/fake.ts';
import { epochMicroseconds } from '../../workers/ingest/time.ts';
import type { Generator } from './generator.ts';
import type { Ledger } from './ledger.ts';
import { noiseOf } from './noise.ts';

const everyMs = 120;

/** Ticks that go to `feed.record_ticks`, until each is acknowledged. */
export interface DirectFeeder {
  readonly totals: {
    attempts: number;
    /** Attempts without an answer: stored or not, nobody knows. */
    unanswered: number;
    attemptedTicks: number;
    acknowledged: Counts;
    refused: string[];
  };
  /** Ends after the last batch is acknowledged. */
  stop(): Promise<void>;
}

export function startDirectFeeder(parts: {
  url: string;
  generator: Generator;
  ledger: Ledger;
  random: Random;
}): DirectFeeder {
  const { url, generator, ledger, random } = parts;
  const open = (): Sql =>
    openDatabase({
      url,
      process: 'soak feeder',
      role: 'foresight_ingest',
      logger: testLogger,
      maxConnections: 1,
    });
  const totals: DirectFeeder['totals'] = {
    attempts: 0,
    unanswered: 0,
    attemptedTicks: 0,
    acknowledged: { stored: 0, duplicate: 0, conflicting: 0, rejected: 0 },
    refused: [],
  };
  let sql = open();
  let isStopped = false;

  /** Tries until there is an answer, as the ingest process does. */
  async function record(ticks: readonly Tick[]): Promise<void> {
    for (;;) {
      totals.attempts += 1;
      totals.attemptedTicks += ticks.length;
      const answer = await within(35_000, createFeed(sql).recordTicks('manual', ticks)).catch(
        (error: Error & { code?: string }) => error,
      );
      if (!(answer instanceof Error)) {
        const { acknowledged } = totals;
        totals.acknowledged = {
          stored: acknowledged.stored + answer.stored,
          duplicate: acknowledged.duplicate + answer.duplicate,
          conflicting: acknowledged.conflicting + answer.conflicting,
          rejected: acknowledged.rejected + answer.rejected,
        };
        ledger.acknowledged(ticks);
        return;
      }
      totals.unanswered += 1;
      if (/^(2[23]|FUTUR|ARRAY)/.test(answer.code ?? '')) {
        totals.refused.push(`${answer.code}: ${answer.message}`);
        return;
      }
      if (answer.message === 'no answer') {
        // postgres.js 3.4.9 may never answer again.
        void sql.end({ timeout: 0 }).catch(() => undefined);
        sql = open();
      }
      await sleep(100);
    }
  }

  const running = (async () => {
    while (!isStopped) {
      const startedAt = Date.now();
      await record(generator.make(random.int(1, 12)).map(({ tick }) => tick));
      void createFeed(sql)
        .nudge()
        .catch(() => undefined);
      await sleep(Math.max(5, startedAt + everyMs - Date.now()));
    }
    await sql.end({ timeout: 1 });
  })();

  return {
    totals,
    async stop() {
      isStopped = true;
      await running;
    },
  };
}

async function within<Result>(ms: number, work: PromiseLike<Result>): Promise<Result> {
  const timer = new AbortController();
  const late = sleep(ms, undefined, { signal: timer.signal }).then(() => {
    throw new Error('no answer');
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([work, late]);
  } finally {
    timer.abort();
  }
}

/** Prices that a provider streams: nobody acknowledges them, and what nobody listened to is missed. */
export interface StreamFeeder {
  /** How many lines that are no prices were sent between them. */
  noise(): number;
  stop(): Promise<void>;
}

export function startStreamFeeder(parts: {
  oanda: FakeOanda;
  generator: Generator;
  random: Random;
}): StreamFeeder {
  const { oanda, generator, random } = parts;
  const noisy = random.fork('noise');
  let noise = 0;
  let isStopped = false;
  const running = (async () => {
    while (!isStopped) {
      for (const { tick } of generator.make(random.int(1, 6))) push(oanda, tick);
      if (noisy.chance(0.1)) {
        oanda.send(noiseOf(noisy));
        noise += 1;
      }
      await sleep(everyMs);
    }
  })();
  return {
    noise: () => noise,
    async stop() {
      isStopped = true;
      await running;
    },
  };
}

/** `seq` is what OANDA's time has below the microsecond. */
export function push(oanda: FakeOanda, tick: Tick): void {
  const { symbol, observedAt, seq, bid, ask } = tick;
  const time = Number.isFinite(epochMicroseconds(observedAt))
    ? `${observedAt.slice(0, -1)}${String(seq).padStart(3, '0')}Z`
    : observedAt;
  oanda.push({
    instrument: symbol,
    bid: bid === null ? null : String(bid),
    ask: ask === null ? null : String(ask),
    time,
  });
}
