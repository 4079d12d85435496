import type { Logger } from '../../../db/runtime/logger.ts';
import { apart } from '../apart.ts';
import { type Compute, computeValues } from '../compute.ts';
import type { Kind } from '../kind.ts';
import type { ComputedValue, ServiceStore, Work } from '../service.ts';
import { createCheck } from './check_values.ts';

const maxCandles = 500;
const maxBackfillCandles = 1_000;

/** The longest turn of a stretch of work, and about how much is computed before it is stored. */
const turnMs = 250;
/** Half of a lease: what was claimed and is not reached by then is given back. */
const claimMs = 5_000;
/** After so long the process does something else in between, such as its heartbeat. */
const breathMs = 20;
/** Claims that are worked on at the same time: one computes while the other waits for the database. */
export const maxRuns = 2;

interface Options {
  readonly service: string;
  readonly store: ServiceStore;
  readonly kinds: ReadonlyMap<string, Kind>;
  /**
   * Where it is not done by the kernels of `kinds`. It gives no value of a changed candle that fails, and of history an
   * empty one: such a history does not wait there, but goes on, and what failed is set aside.
   */
  readonly compute?: Compute;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Called when nothing is left that could be done now. */
  readonly onRest?: () => void;
}

/**
 * Computes what waits for a service: changed candles first, then a stretch of history at a time, then some values
 * again as a check. Each stretch has a turn of limited time, after which newer candles are looked for. Values are stored before
 * the work is struck off, so a death in between only repeats it.
 */
export function computeValuesTask(options: Options): () => Promise<void> {
  const claim = createClaim(options.store);
  const check = createCheck({ ...options, compute: computeOf(options) });
  let runs = 0;
  let isInBackground = false;
  let isAskedAgain = false;

  /** In one of the runs at most: the other is there when a candle changes. */
  async function workInBackground(run: ReturnType<typeof createRun>): Promise<boolean> {
    if (isInBackground) return false;
    isInBackground = true;
    try {
      if (await run.computeBackfill()) return true;
      await check();
      return false;
    } finally {
      isInBackground = false;
    }
  }

  return async () => {
    isAskedAgain = true;
    // More of them would keep the workers of this process from its other services.
    if (runs === maxRuns) return;
    runs += 1;
    const run = createRun(options, claim);
    try {
      while (isAskedAgain && !options.signal.aborted) {
        isAskedAgain = false;
        if ((await run.computePending()) || (await workInBackground(run))) isAskedAgain = true;
      }
    } finally {
      runs -= 1;
    }
    options.onRest?.();
  };
}

/**
 * Claims as many changed candles as can be read in half a lease. When that takes longer, others claim them meanwhile
 * and read them too, which takes longer still; and what was too much for one statement would be so again.
 */
function createClaim(store: ServiceStore): () => Promise<Work[]> {
  let most = maxCandles;
  return async () => {
    const asked = most;
    const startedAt = performance.now();
    let isTooMuch = true;
    try {
      const claimed = await store.claimPending(asked);
      isTooMuch = performance.now() - startedAt > claimMs;
      return claimed;
    } catch (error) {
      isTooMuch = isTimeout(error);
      throw error;
    } finally {
      if (isTooMuch) most = Math.max(1, Math.floor(asked / 2));
      else most = Math.min(maxCandles, Math.max(most, 2 * asked));
    }
  };
}

function computeOf({ compute, kinds }: Options): Compute {
  return compute ?? ((work, onFailure) => computeValues(work, kinds, onFailure));
}

/** PostgreSQL's query_canceled: a statement took longer than the session allows. */
function isTimeout(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === '57014';
}

/** Work in hand, and how far it has come. */
interface Stretch {
  readonly work: Work;
  readonly values: ReturnType<Compute>;
  /** Why some of its values cannot be computed or stored: the first of them. */
  failure: string | undefined;
  /** Each of them. */
  readonly failed: { readonly indicatorId: number; readonly bucket: string }[];
}

interface Computed {
  readonly stretch: Stretch;
  readonly value: ComputedValue;
}

function createRun(options: Options, claim: () => Promise<Work[]>) {
  const { service, store, logger, signal } = options;
  const compute = computeOf(options);
  const isHistoryStopped = options.compute === undefined;
  /** Claimed candles that needed more than their turn: they go on after newer ones had theirs. */
  let unfinished: readonly Stretch[] = [];

  function begin(work: Work): Stretch {
    const values = compute(work, ({ definition, bucket, error }) => {
      fail(stretch, definition.indicator_id, bucket, error);
    });
    const stretch: Stretch = { work, values, failure: undefined, failed: [] };
    return stretch;
  }

  function fail(stretch: Stretch, indicatorId: number, bucket: string, error: unknown): void {
    const { indicators, timeframe } = stretch.work;
    const { kind, params } = indicators.find(each => each.indicator_id === indicatorId) ?? {};
    const message = `indicator ${indicatorId} (${kind}) cannot be computed at ${bucket}`;
    stretch.failure ??= `${message}: ${error instanceof Error ? error.message : String(error)}`;
    const isTold =
      !isHistoryStopped && stretch.failed.some(each => each.indicatorId === indicatorId);
    stretch.failed.push({ indicatorId, bucket });
    if (isTold) return;
    const log = { err: error, service, indicator_id: indicatorId, kind, params, timeframe, bucket };
    logger.error(log, message);
  }

  /** Stores all but those that the database refuses, and returns these. */
  async function record(computed: readonly Computed[]): Promise<readonly Computed[]> {
    const refused = await apart(computed, some =>
      store.recordValues(some.map(({ value }) => value)),
    );
    for (const { item, error } of refused) {
      fail(item.stretch, item.value.indicatorId, item.value.bucket, error);
    }
    return refused.map(({ item }) => item);
  }

  /** Computes at least one value, until the turn is over; says whether that was all. */
  async function takeTurn(stretch: Stretch, computed: Computed[]): Promise<boolean> {
    const endsAt = performance.now() + turnMs;
    let breatheAt = endsAt - turnMs + breathMs;
    for (;;) {
      const step = stretch.values.next();
      const next = step instanceof Promise ? await step : step;
      if (next.done) return next.value !== 'rests';
      computed.push({ stretch, value: next.value });
      const now = performance.now();
      if (now >= endsAt) return false;
      if (now < breatheAt) continue;
      await new Promise(setImmediate);
      breatheAt = performance.now() + breathMs;
    }
  }

  /** Some at a time, so that a value is not kept from those who wait for it by the ones after it. */
  function createBatch() {
    let computed: Computed[] = [];
    let done: Stretch[] = [];
    let begunAt = performance.now();
    return {
      computed: () => computed,
      finish: (stretch: Stretch) => done.push(stretch),
      isDue: () => performance.now() - begunAt >= turnMs,
      async store() {
        await record(computed);
        const right = done.filter(({ failure }) => failure === undefined);
        if (right.length > 0) await store.finishPending(right.flatMap(({ work }) => work.workIds));
        for (const { work, failure } of done) {
          if (failure !== undefined) await store.failPending(work.workIds, failure);
        }
        computed = [];
        done = [];
        begunAt = performance.now();
      },
    };
  }

  /** One letter for a stretch of history: its values mostly fail for one reason. */
  async function setAside({ work, failure, failed }: Stretch): Promise<void> {
    const [first, ...others] = failed;
    if (failure === undefined || first === undefined) return;
    const more = `; nor at ${others.length} more up to ${others.at(-1)?.bucket}`;
    const { indicatorId: indicator_id, bucket } = first;
    await store.setAside([
      {
        reason: 'not_computed',
        detail: others.length === 0 ? failure : `${failure}${more}`,
        body: JSON.stringify({ indicator_id, timeframe: work.timeframe, bucket }),
      },
    ]);
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
      const claimed = await claim();
      const stretches = [...claimed.map(begin), ...unfinished];
      if (stretches.length === 0) return false;
      const endsAt = performance.now() + claimMs;
      const batch = createBatch();
      const goOn: Stretch[] = [];
      let reached = 0;
      let pace = stretches[0]?.work.pace;
      for (const stretch of stretches) {
        if (signal.aborted || performance.now() >= endsAt) break;
        // What is computed at once does not wait for those that have time.
        if (stretch.work.pace !== pace) await batch.store();
        pace = stretch.work.pace;
        reached += 1;
        if (await takeTurn(stretch, batch.computed())) batch.finish(stretch);
        else goOn.push(stretch);
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
      const computed: Computed[] = [];
      const isAll = await takeTurn(stretch, computed);
      const [refused] = await record(computed);
      const stored =
        refused === undefined || !isHistoryStopped
          ? computed
          : computed.slice(0, computed.indexOf(refused));
      if (!isHistoryStopped) await setAside(stretch);
      const isDone = isAll && (stretch.failure === undefined || !isHistoryStopped);
      const reached = isDone ? work.toBucket : stored.at(-1)?.value.bucket;
      // One that cannot go on keeps its lease, and is tried again when that ends.
      if (reached !== undefined) await store.finishBackfill(work, reached);
      return true;
    },
  };
}
