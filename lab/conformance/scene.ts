import { secondsAfter } from '../../tests/support/ticks.ts';
import { addBystander, type Bystander, type State } from './bystander.ts';
import { faultOf, type Value, valuesOf } from './evidence.ts';
import type { World } from './world.ts';

/** What the checks share: indicators on one instrument, whose minutes are filled one after the other. */
export interface Scene {
  readonly world: World;
  readonly kinds: readonly { readonly kind: string; readonly bars: number }[];
  /** The longest window of these kinds, in candles. */
  readonly longest: number;
  readonly ids: readonly number[];
  readonly bystander: Bystander;
  /** What there was of the bystander at the beginning. */
  readonly bystanderThen: State;
  /** How many minutes have a candle. */
  minutes(): number;
  /** New minutes get a candle; returns what tells of them, in messages of some candles each. */
  addMinutes(count: number, maxBytes?: number): Promise<string[]>;
  /** Another tick in a minute that has a candle, with another close; returns what tells of it. */
  changeMinute(minute: number, turn: number): Promise<string[]>;
  /** New minutes are told, and get the values that there must be; returns what told of them. */
  followMinutes(count: number, maxBytes?: number): Promise<string[]>;
  /** All values of its indicators. */
  values(): Promise<Value[]>;
  /** Nothing is left to do, and its indicators, or these, have the values that there must be. */
  expectRight(ids?: readonly number[]): Promise<void>;
  /** A new process computes everything again, from the candles alone: nothing may differ. */
  expectRecomputable(): Promise<void>;
  /** What one check has left wrong is not counted against the next; false: that cannot be put right. */
  beginAnew(): Promise<boolean>;
}

const mostKinds = 3;
/** Beyond that a window makes a check slow, unless nothing shorter is there. */
const mostBars = 300;

/** The same prices in every run, never twice the same. */
const priceAt = (minute: number, turn = 0): number =>
  100 + 5 * Math.sin(minute / 3) + ((minute * 7919 + turn * 104_729) % 1_000) / 1_000;

/** By its minute, the close. */
export const closesOf = (from: number, to: number): Map<number, number> =>
  new Map(
    Array.from({ length: to - from }, (_, index) => [from + index, priceAt(from + index)] as const),
  );

/** When a minute begins, in milliseconds since 1970. */
export const startOf = (minute: number): number => Date.parse(secondsAfter(60 * minute));

export async function openScene(world: World): Promise<Scene> {
  const { sql } = world;
  await world.alive();
  await clear(world);
  const kinds = await chooseKinds(world);
  const symbol = await world.addInstrument();
  const ids: number[] = [];
  for (const { kind } of kinds) ids.push(await world.addIndicator(symbol, kind));
  const bystander = await addBystander(world);
  let minutes = 0;

  async function recompute(): Promise<void> {
    for (const id of ids) await sql`select ops.recompute(${id})`;
  }

  const scene: Scene = {
    world,
    kinds,
    longest: Math.max(...kinds.map(({ bars }) => bars)),
    ids,
    bystander,
    bystanderThen: await bystander.state(),
    minutes: () => minutes,
    async addMinutes(count, maxBytes) {
      await world.record(symbol, closesOf(minutes, minutes + count));
      minutes += count;
      return world.publish(maxBytes);
    },
    async changeMinute(minute, turn) {
      await world.record(symbol, new Map([[minute, priceAt(minute, turn)]]), turn);
      return world.publish();
    },
    async followMinutes(count, maxBytes) {
      const bodies = await scene.addMinutes(count, maxBytes);
      await world.send(bodies);
      await scene.expectRight();
      return bodies;
    },
    values: async () => (await Promise.all(ids.map(id => valuesOf(sql, id)))).flat(),
    async expectRight(own = ids) {
      await world.settled();
      for (const id of own) {
        const fault = await faultOf(sql, id);
        if (fault !== undefined) throw new Error(`indicator ${id}: ${fault}`);
      }
    },
    async expectRecomputable() {
      const stored = await scene.values();
      await world.process.kill();
      await recompute();
      await world.alive();
      await world.settled();
      expectEqual(stored, await scene.values(), 'computed again by a new process');
    },
    async beginAnew() {
      await world.process.kill();
      await world.forgetWork();
      await recompute();
      return world.settled().then(
        () => true,
        () => false,
      );
    },
  };
  // As many as a window holds: no check looks at what only warms up.
  await world.send(await scene.addMinutes(scene.longest));
  return scene;
}

export function expectEqual(before: readonly Value[], after: readonly Value[], what: string): void {
  if (before.length !== after.length) {
    throw new Error(`${what}: ${after.length} values in place of ${before.length}`);
  }
  const wrong = before.findIndex((value, index) => value.bits !== after[index]?.bits);
  if (wrong < 0) return;
  const count = before.filter((value, index) => value.bits !== after[index]?.bits).length;
  throw new Error(
    `${what}: ${count} values differ, that of ${before[wrong]?.bucket} was ${before[wrong]?.bits} and is ${after[wrong]?.bits}`,
  );
}

async function chooseKinds({ sql, subject }: World): Promise<Scene['kinds']> {
  const known = await sql<{ kind: string; bars: number }[]>`
    select k.kind, d.bars_window as bars
    from indicator.kinds as k
    cross join lateral indicator.derived(k.kind, indicator.checked_params(k.kind, '{}')) as d
    where k.service = ${subject.service} order by d.bars_window, k.kind`;
  const { kinds: named } = subject;
  const absent = named?.find(kind => !known.some(each => each.kind === kind));
  if (absent !== undefined) throw new Error(`service ${subject.service} has no kind ${absent}`);
  if (named !== undefined) return known.filter(({ kind }) => named.includes(kind));
  const short = known.filter(({ bars }) => bars > 1 && bars <= mostBars).slice(0, mostKinds);
  return short.length > 0 ? short : known.slice(0, 1);
}

/** What its kinds want for every instrument, and a rating of it, would only cost time. */
async function clear({ sql, subject }: World): Promise<void> {
  await sql`
    delete from indicator.wishes as w
    where w.set is not null or w.kind in (select k.kind from indicator.kinds as k where k.service = ${subject.service})`;
}
