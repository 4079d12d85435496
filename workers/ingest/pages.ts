import { Hiccup } from './connection.ts';
import type { Gap, RepairItem, RepairRequest } from './source.ts';
import { epochMicroseconds, fromEpochMicroseconds } from './time.ts';
import { type Trade, toItems, tradeIdOf } from './trade.ts';
import type { Mark } from './trail.ts';

/** How an exchange is asked for trades of the past by their ids. */
export interface Archive {
  /** As a sentence calls the provider. */
  readonly label: string;
  /**
   * The trades next below this one, or the newest ones: as many as the provider gives at once, in the order of
   * their ids. None: there are none. For providers that are asked by time, none of them is newer than the mark.
   */
  readonly before: (symbol: string, mark: Mark | null, signal: AbortSignal) => Promise<Trade[]>;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** So long after a trade its REST interface may not know it yet. */
const ARCHIVE_LAG_MS = 60_000;

/**
 * Fills a gap from its newest end, page by page. What is proven is proven by ids without a hole; a hole that
 * the provider has too is left out, and given up when nothing else is left.
 *
 * Trades of one moment may be divided by the end of a page or by a hole, so what is proven ends a
 * microsecond after the oldest of a run.
 */
export async function* repairBackwards(
  archive: Archive,
  gap: Gap,
  { signal, budget }: RepairRequest,
): AsyncGenerator<RepairItem> {
  const { label } = archive;
  const afterId = tradeIdOf(gap.after?.seq);
  // The stored trade itself is asked for too: it shows that the provider has what comes before it.
  let cursor: Mark | null =
    afterId === null || gap.after === null
      ? null
      : { id: afterId + 1n, time: gap.after.observedAt };
  /** The oldest trade that is known to follow what is asked for next. */
  let known: Mark | undefined;
  let hole: string | undefined;
  let hasProof = false;
  for (let asked = 0; asked < budget && !signal.aborted; asked++) {
    const all = await archive.before(gap.symbol, cursor, signal);
    const page = all.filter(({ mark }) => cursor === null || mark.id < cursor.id);
    // What it has of later proves that it has written down all that it will.
    const isLate = page.length < all.length;
    if (asked === 0) known = topOf(archive, gap, afterId, page.at(-1)?.mark, isLate);
    const [oldest] = page;
    if (oldest === undefined) hole ??= `${label} has no older trades`;
    for (const run of runsIn(page)) {
      const [low, high] = [run[0]?.mark, run.at(-1)?.mark];
      if (low === undefined || high === undefined) continue;
      const isJoined = known === undefined || high.id + 1n >= known.id;
      if (known !== undefined && !isJoined) {
        hole ??= `${label} has no trades ${high.id + 1n} to ${known.id - 1n}`;
      }
      const inside = run.filter(({ mark }) => mark.time >= gap.from && mark.time <= gap.to);
      if (inside.length > 0) yield* toItems(inside.map(({ tick }) => tick));
      const from = isOldest(low, gap) ? gap.from : latest(next(low.time), gap.from);
      const end = known === undefined ? gap.to : next(known.time);
      const to = earliest(isJoined ? end : before(high.time), gap.to);
      if (from < to) {
        yield { kind: 'covered', from, to, grade: 'exact' };
        hasProof = true;
      }
      known = low;
    }
    if (known === undefined || oldest === undefined || isOldest(known, gap)) {
      if (hole !== undefined && !hasProof) yield { kind: 'impossible', reason: hole };
      return;
    }
    cursor = known;
  }
}

/** Is nothing in the gap older than this? */
const isOldest = (mark: Mark, gap: Gap) => mark.time < gap.from || mark.id <= 1n;

/**
 * What is known at the newer end of the gap: the stored trade after it, if the provider has all that lies
 * before that; else nothing, and its newest trades reach over the gap's end.
 */
function topOf(
  { label, now }: Archive,
  gap: Gap,
  afterId: bigint | null,
  newest: Mark | undefined,
  isLate: boolean,
): Mark | undefined {
  if (newest !== undefined && newest.time >= gap.to) return undefined;
  const isYoung = !isLate && now() - Date.parse(gap.to) < ARCHIVE_LAG_MS;
  if (afterId !== null && gap.after !== null) {
    if (newest?.id === afterId || newest?.id === afterId - 1n) return undefined;
    if (isYoung) throw new Hiccup(`${label} does not have the newest trades yet`);
    return { id: afterId, time: gap.after.observedAt };
  }
  if (isYoung) throw new Hiccup(`${label} does not have the newest trades yet`);
  return undefined;
}

/** Stretches of ids without a hole, the newest first, each in the order of ids. */
function runsIn(page: readonly Trade[]): Trade[][] {
  const runs: Trade[][] = [];
  for (const trade of page) {
    const run = runs[0];
    const last = run?.at(-1);
    if (run !== undefined && last !== undefined && trade.mark.id === last.mark.id + 1n)
      run.push(trade);
    else if (last === undefined || trade.mark.id > last.mark.id) runs.unshift([trade]);
  }
  return runs;
}

const next = (time: string) => fromEpochMicroseconds(epochMicroseconds(time) + 1);
const before = (time: string) => fromEpochMicroseconds(epochMicroseconds(time) - 1);
const earliest = (one: string, other: string) => (one < other ? one : other);
const latest = (one: string, other: string) => (one > other ? one : other);
