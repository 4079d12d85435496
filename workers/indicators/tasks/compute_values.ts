import type { Logger } from '../../../db/runtime/logger.ts';
import { computeValues } from '../compute.ts';
import type { Kind } from '../kind.ts';
import type { ComputedValue, ServiceStore, Work } from '../service.ts';

const maxCandles = 500;
const maxBackfillCandles = 1_000;

/** The longest turn of a stretch of work, and about how much is computed before it is stored. */
const turnMs = 250;
/** Half of a lease: what was claimed and is not reached by then is given back. */
const claimMs = 5_000;
/** After so long the process does something else in between, such as its heartbeat. */
const breathMs = 20;
/** Claims that are worked on at the same time: one computes while the other waits for the database. */
const maxRuns = 2;

interface Options {
  readonly service: string;
  readonly store: ServiceStore;
  readonly kinds: ReadonlyMap<string, Kind>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Computes what waits for a service: changed candles first, then a stretch of history at a time. Each
 * stretch has a turn of limited time, after which newer candles are looked for. Values are stored before
 * the work is struck off, so a death in between only repeats it.
 */
export function computeValuesTask(options: Options): () => Promise<void> {
  let runs = 0;
  let isInHistory = false;
  let isAskedAgain = false;

  /** One of the runs at most: the other is there when a candle changes. */
  async function computeHistory(run: ReturnType<typeof createRun>): Promise<boolean> {
    if (isInHistory) return false;
    isInHistory = true;
    try {
      return await run.computeBackfill();
    } finally {
      isInHistory = false;
    }
  }

  return async () => {
    isAskedAgain = true;
    // More of them would keep the workers of this process from its other services.
    if (runs === maxRuns) return;
    runs += 1;
    const run = createRun(options);
    try {
      while (isAskedAgain && !options.signal.aborted) {
        isAskedAgain = false;
        if ((await run.computePending()) || (await computeHistory(run))) isAskedAgain = true;
      }
    } finally {
      runs -= 1;
    }
  };
}

/** Work in hand, and how far it has come. */
interface Stretch {
  readonly work: Work;
  readonly values: Iterator<ComputedValue, void>;
  /** Some of its values cannot be computed. */
  hasFailed: boolean;
}

function createRun({ service, store, kinds, logger, signal }: Options) {
  /** Claimed candles that needed more than their turn: they go on after newer ones had theirs. */
  let unfinished: readonly Stretch[] = [];

  function begin(work: Work): Stretch {
    const values = computeValues(work, kinds, ({ definition, bucket, error }) => {
      stretch.hasFailed = true;
      const { indicator_id, kind, params } = definition;
      const { timeframe } = work;
      logger.error(
        { err: error, service, indicator_id, kind, params, timeframe, bucket },
        `indicator ${indicator_id} (${kind}) cannot be computed at ${bucket}`,
      );
    });
    const stretch: Stretch = { work, values, hasFailed: false };
    return stretch;
  }

  /** Computes at least one value, until the turn is over; says whether that was all. */
  async function takeTurn(stretch: Stretch, values: ComputedValue[]): Promise<boolean> {
    const endsAt = performance.now() + turnMs;
    let breatheAt = endsAt - turnMs + breathMs;
    for (;;) {
      const next = stretch.values.next();
      if (next.done) return true;
      values.push(next.value);
      const now = performance.now();
      if (now >= endsAt) return false;
      if (now < breatheAt) continue;
      await new Promise(setImmediate);
      breatheAt = performance.now() + breathMs;
    }
  }

  /** Some at a time, so that a value is not kept from those who wait for it by the ones after it. */
  function createBatch() {
    let values: ComputedValue[] = [];
    let done: string[] = [];
    let begunAt = performance.now();
    return {
      values: () => values,
      finish: (work: Work) => done.push(...work.workIds),
      isDue: () => performance.now() - begunAt >= turnMs,
      async store() {
        if (values.length > 0) await store.recordValues(values);
        if (done.length > 0) await store.finishPending(done);
        values = [];
        done = [];
        begunAt = performance.now();
      },
    };
  }

  async function release(stretches: readonly Stretch[]): Promise<void> {
    const ids = stretches.flatMap(({ work }) => work.workIds);
    if (ids.length > 0) await store.releasePending(ids);
  }

  /** Renews their leases; those whose candles have all changed meanwhile are claimed anew. */
  async function keep(stretches: readonly Stretch[]): Promise<readonly Stretch[]> {
    const ids = stretches.flatMap(({ work }) => work.workIds);
    if (ids.length === 0) return [];
    const kept = new Set(await store.keepPending(ids));
    return stretches.filter(({ work }) => work.workIds.some(id => kept.has(id)));
  }

  return {
    /** Computes what changed, for a limited time; says whether there was something. */
    async computePending(): Promise<boolean> {
      const claimed = await store.claimPending(maxCandles);
      const stretches = [...claimed.map(begin), ...unfinished];
      if (stretches.length === 0) return false;
      const endsAt = performance.now() + claimMs;
      const batch = createBatch();
      const goOn: Stretch[] = [];
      let reached = 0;
      for (const stretch of stretches) {
        if (signal.aborted || performance.now() >= endsAt) break;
        reached += 1;
        if (!(await takeTurn(stretch, batch.values()))) goOn.push(stretch);
        // One that failed keeps its lease, and is tried again when that ends.
        else if (!stretch.hasFailed) batch.finish(stretch.work);
        if (batch.isDue()) await batch.store();
      }
      await batch.store();
      await release(stretches.slice(reached));
      unfinished = await keep(goOn);
      if (signal.aborted) await release(unfinished);
      return true;
    },

    /** Computes history for one turn; says whether there was some. */
    async computeBackfill(): Promise<boolean> {
      const work = await store.claimBackfill(maxBackfillCandles);
      if (work === undefined) return false;
      const stretch = begin(work);
      const values: ComputedValue[] = [];
      const isAll = await takeTurn(stretch, values);
      if (values.length > 0) await store.recordValues(values);
      const reached = isAll && !stretch.hasFailed ? work.toBucket : values.at(-1)?.bucket;
      // One that cannot go on keeps its lease, and is tried again when that ends.
      if (reached !== undefined) await store.finishBackfill(work, reached);
      return true;
    },
  };
}
