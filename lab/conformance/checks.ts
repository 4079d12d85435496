import { secondsAfter } from '../../tests/support/ticks.ts';
import type { Value, World } from './world.ts';

/** What became of one part of the contract. */
export interface Verdict {
  readonly check: string;
  readonly outcome: 'pass' | 'fail' | 'not tried';
  /** What was seen. */
  readonly detail: string;
  /** Of what failed: what the contract asks for. */
  readonly rule?: string;
  /** Of what failed: what the service wrote last. */
  readonly words?: string;
}

/** A part of the contract: what is done to the service; returns what was seen, and throws what is wrong. */
interface Check {
  readonly name: string;
  /** What a service that fails it does not keep to. */
  readonly rule: string;
  readonly run: (scene: Scene) => Promise<string>;
}

/** What the checks share: indicators on one instrument, whose minutes are filled one after the other. */
interface Scene {
  readonly world: World;
  readonly kinds: readonly { readonly kind: string; readonly bars: number }[];
  /** The longest window of these kinds, in candles. */
  readonly longest: number;
  readonly symbol: string;
  readonly ids: readonly number[];
  /** What there was of another service at the beginning. */
  readonly bystander: ReadonlyMap<string, string>;
  /** Minutes that have a candle, from 0 on. */
  minutes: number;
}

const mostKinds = 3;
/** Beyond that a window makes a check slow, unless nothing shorter is there. */
const mostBars = 300;

/** The same prices in every run, never twice the same. */
const priceAt = (minute: number, turn = 0): number =>
  100 + 5 * Math.sin(minute / 3) + ((minute * 7919 + turn * 104_729) % 1_000) / 1_000;

const closesOf = (from: number, to: number): Map<number, number> =>
  new Map(
    Array.from({ length: to - from }, (_, index) => [from + index, priceAt(from + index)] as const),
  );

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

/** What its kinds want for every instrument would only cost time. */
async function clear({ sql, subject }: World): Promise<void> {
  await sql`
    delete from indicator.wishes as w using indicator.kinds as k
    where k.kind = w.kind and k.service = ${subject.service}`;
}

/** Nothing is left to do, and all indicators have the values that there must be. */
async function expectRight(world: World, ids: readonly number[]): Promise<void> {
  await world.settled();
  for (const id of ids) {
    const fault = await world.faultOf(id);
    if (fault !== undefined) throw new Error(`indicator ${id}: ${fault}`);
  }
}

async function valuesOfAll({ world, ids }: Scene): Promise<Value[]> {
  return (await Promise.all(ids.map(id => world.valuesOf(id)))).flat();
}

function expectEqual(before: readonly Value[], after: readonly Value[], what: string): void {
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

/** A new process computes everything again, from the candles alone: nothing may differ. */
async function expectRecomputable(scene: Scene): Promise<void> {
  const { world, ids } = scene;
  const stored = await valuesOfAll(scene);
  await world.process.kill();
  for (const id of ids) await world.sql`select ops.recompute(${id})`;
  await world.alive();
  await world.settled();
  expectEqual(stored, await valuesOfAll(scene), 'computed again by a new process');
}

/** New minutes are told, in messages of some candles each. */
async function tellMinutes(scene: Scene, count: number, maxBytes?: number): Promise<string[]> {
  const { world, symbol } = scene;
  await world.record(symbol, closesOf(scene.minutes, scene.minutes + count));
  scene.minutes += count;
  return world.publish(maxBytes);
}

/** Another tick in a minute that has a candle, with another close. */
async function changeMinute(scene: Scene, minute: number, turn: number): Promise<string[]> {
  await scene.world.record(scene.symbol, new Map([[minute, priceAt(minute, turn)]]), turn);
  return scene.world.publish();
}

const checks: readonly Check[] = [
  {
    name: 'values',
    rule: 'Compute all that a claim asks for, store it with the revision of the claim, and strike the claim off only then.',
    async run(scene) {
      const { world, ids } = scene;
      await world.send(await tellMinutes(scene, 20, 2_000));
      await expectRight(world, ids);
      return `${scene.minutes} candles in several messages: each has its values, and no work is left`;
    },
  },
  {
    name: 'history',
    rule: 'Strike a stretch of history off only after its values are stored, from from_bucket to to_bucket, without prices: nothing was said when its candles closed.',
    async run({ world, kinds, longest }) {
      const symbol = await world.addInstrument();
      await world.record(symbol, closesOf(0, longest + 25));
      await world.publish();
      const ids: number[] = [];
      for (const { kind } of kinds) ids.push(await world.addIndicator(symbol, kind));
      await expectRight(world, ids);
      const said =
        await world.sql`select from indicator.verdicts where indicator_id = any (${ids})`;
      if (said.length > 0) throw new Error(`${said.length} values are kept as said at the close`);
      return `a history of ${longest + 25} candles has all its values`;
    },
  },
  {
    name: 'sayings',
    rule: 'Give indicator.record_values the close of each candle up to closed_to of a claim of changed candles: what is said of a closed candle is kept for the track record.',
    async run(scene) {
      const { world, ids } = scene;
      await world.send(await tellMinutes(scene, 5));
      await expectRight(world, ids);
      for (const id of ids) {
        const fault = await world.sayingFaultOf(id, 5);
        if (fault !== undefined) throw new Error(`indicator ${id}: ${fault}`);
      }
      return 'what was said of closed candles is kept, with their closes';
    },
  },
  {
    name: 'redelivery',
    rule: 'A message that comes again is no news: note what it names with indicator.accept_candles, and compute what is claimed, not what a message says.',
    async run(scene) {
      const { world, ids } = scene;
      const bodies = await tellMinutes(scene, 5, 1_000);
      await world.send([...bodies, ...bodies]);
      await expectRight(world, ids);
      const before = await valuesOfAll(scene);
      await world.send([...bodies, ...bodies.toReversed()]);
      await world.settled();
      expectEqual(before, await valuesOfAll(scene), 'after messages came again');
      // Who keeps candles of its own has them several times by now.
      await world.send(await tellMinutes(scene, 5));
      await expectRight(world, ids);
      await expectRecomputable(scene);
      return `${bodies.length} messages, each four times: the values are those of candles that came once`;
    },
  },
  {
    name: 'reordering',
    rule: 'The newest state of a candle counts, whichever message comes last: read candles with indicator.candle_window, not from messages.',
    async run(scene) {
      const { world, ids } = scene;
      const first = await tellMinutes(scene, 3);
      const second = await changeMinute(scene, scene.minutes - 2, 1);
      const third = await changeMinute(scene, scene.minutes - 2, 2);
      await world.send(third);
      await world.settled();
      await world.send([...second, ...first]);
      await expectRight(world, ids);
      await expectRecomputable(scene);
      return 'three states of a candle, the newest told first: its values are those of the newest';
    },
  },
  {
    name: 'revision order',
    rule: 'A candle that changes while its values are computed is claimed again, under another work id: strike off the work_ids of the claim, and remember nothing as done.',
    async run(scene) {
      const { world, ids } = scene;
      const bodies = await tellMinutes(scene, 3);
      await world.whileItAdds(
        'indicator.values',
        () => world.send(bodies),
        async () => world.accept(await changeMinute(scene, scene.minutes - 2, 3)),
      );
      await expectRight(world, ids);
      await expectRecomputable(scene);
      return 'a candle changed while its values were in hand: they are those of its newest state';
    },
  },
  {
    name: 'late ticks',
    rule: 'A changed candle is in the windows of those after it: values are due up to bars_window - 1 candles after it, and nowhere else.',
    async run(scene) {
      const { world, ids, kinds } = scene;
      await world.send(await tellMinutes(scene, 15));
      await expectRight(world, ids);
      const before = await Promise.all(ids.map(id => world.valuesOf(id)));
      const minute = scene.minutes - 12;
      await world.send(await changeMinute(scene, minute, 4));
      await expectRight(world, ids);
      const after = await Promise.all(ids.map(id => world.valuesOf(id)));
      const changedAt = Date.parse(secondsAfter(60 * minute));
      const untouched = before.flatMap((values, place) => {
        const reach = changedAt + 60_000 * ((kinds[place]?.bars ?? 1) - 1);
        return values.filter(({ bucket, revision }, index) => {
          const at = Date.parse(bucket);
          return (at < changedAt || at > reach) && after[place]?.[index]?.revision !== revision;
        });
      });
      if (untouched[0] !== undefined) {
        throw new Error(
          `values were stored again that do not depend on it: ${untouched.length}, the first of ${untouched[0].bucket}`,
        );
      }
      await expectRecomputable(scene);
      return 'exactly the values whose windows hold the changed candle are of its revision';
    },
  },
  {
    name: 'restart with a message in hand',
    rule: 'Delete a message only after indicator.accept_candles has noted what it names.',
    async run(scene) {
      const { world, ids } = scene;
      const bodies = await tellMinutes(scene, 3);
      await world.killWhileItAdds('indicator.pending', () => world.send(bodies));
      await expectRight(world, ids);
      return 'killed before it could note what a message names: nothing is lost';
    },
  },
  {
    name: 'restart with work in hand',
    rule: 'Call indicator.finish_pending only after indicator.record_values.',
    async run(scene) {
      const { world, ids } = scene;
      const bodies = await tellMinutes(scene, 3);
      await world.killWhileItAdds('indicator.values', () => world.send(bodies));
      await expectRight(world, ids);
      return 'killed before it could store values: nothing is lost';
    },
  },
  {
    name: 'restart in a history',
    rule: 'Call indicator.finish_backfill only after indicator.record_values.',
    async run({ world, kinds: [first] }) {
      const symbol = await world.addInstrument();
      const { kind = '', bars = 1 } = first ?? {};
      await world.record(symbol, closesOf(0, bars + 40));
      await world.publish();
      let id = 0;
      await world.killWhileItAdds('indicator.values', async () => {
        id = await world.addIndicator(symbol, kind);
      });
      await expectRight(world, [id]);
      return 'killed before it could store the first stretch: all of it has values';
    },
  },
  {
    name: 'two processes',
    rule: 'Any number of processes may compute for a service: each beats under its own host and process id, and does only what it has claimed.',
    async run(scene) {
      const { world, ids } = scene;
      await world.besideAnother(async () => {
        await world.send(await tellMinutes(scene, 20, 1_000));
        await expectRight(world, ids);
        const bodies = await tellMinutes(scene, 3);
        await world.killWhileItAdds('indicator.values', () => world.send(bodies));
        await expectRight(world, ids);
      });
      await expectRecomputable(scene);
      return 'two at a time, of which one was killed: every value is there, the same as of one';
    },
  },
  {
    name: 'lost connections',
    rule: 'Connect again when a connection is lost, or end, so that a supervisor starts the process anew.',
    async run(scene) {
      const { world, ids } = scene;
      await world.cutConnections();
      await world.send(await tellMinutes(scene, 3));
      await expectRight(world, ids);
      await world.alive();
      return 'its connections to the database were ended: it went on';
    },
  },
  {
    name: 'queue outage',
    rule: 'Limit the time of each request to the queue and call indicator.beat all the same, at least every five seconds; then ask the queue again: messages that wait there are not lost.',
    async run(scene) {
      const { world, ids } = scene;
      const bodies = await tellMinutes(scene, 3);
      await world.whileQueueHangs(() => world.send(bodies));
      await expectRight(world, ids);
      await world.alive();
      return 'its queue did not answer for a while: it lived on, and went on';
    },
  },
  {
    name: 'poison',
    rule: 'Set aside what is no message or no candle (indicator.set_aside), take the good ones beside it, and go on.',
    async run(scene) {
      const { world, ids } = scene;
      const { sql } = world;
      const { service } = world.subject;
      await sql`delete from indicator.dead_letters where service = ${service}`;
      const [good = '{}'] = await tellMinutes(scene, 2);
      const message = JSON.parse(good) as { candles: Record<string, unknown>[] };
      const [candle = {}] = message.candles;
      const poison = [
        null,
        { ...candle, symbol: undefined },
        { ...candle, bucket: 'yesterday' },
        { ...candle, revision: 9_007_199_254_740_991 },
        { ...candle, symbol: 'NOBODY' },
        { ...candle, bucket: '9999-01-01T00:00:00Z' },
        { ...candle, side: 7 },
      ];
      await world.send([
        'this is no JSON',
        '[]',
        'null',
        JSON.stringify({ ...message, version: 2 }),
        JSON.stringify({ ...message, candles: 'none' }),
        '['.repeat(20_000),
        JSON.stringify({ ...message, candles: [...poison, ...message.candles] }),
      ]);
      await expectRight(world, ids);
      await world.alive();
      const letters = await sql<{ reason: string }[]>`
        select distinct reason from indicator.dead_letters where service = ${service} order by reason`;
      const reasons = letters.map(({ reason }) => reason);
      for (const reason of ['not_a_message', 'not_a_candle', 'revision_not_drawn']) {
        if (!reasons.includes(reason)) throw new Error(`nothing was set aside as ${reason}`);
      }
      return `six messages that are none, and ${poison.length} candles that are none beside good ones: set aside (${reasons.join(', ')}), the good ones computed`;
    },
  },
  {
    name: 'removal',
    rule: 'An indicator may be gone when its values come, and all of a claim (bars is null, indicators are none): strike it off, and go on with the others.',
    async run(scene) {
      const { world, ids, kinds } = scene;
      const { kind = '' } = kinds[0] ?? {};
      const add = async (): Promise<{ id: number; bodies: string[] }> => {
        const symbol = await world.addInstrument();
        const id = await world.addIndicator(symbol, kind);
        await world.settled();
        await world.record(symbol, closesOf(0, 5));
        return { id, bodies: await world.publish() };
      };
      const first = await add();
      await world.removeWhileItStores(first.id, () => world.send(first.bodies));
      await expectRight(world, ids);
      const second = await add();
      await world.process.kill();
      await world.accept(second.bodies);
      await world.sql`select indicator.remove(${second.id})`;
      await world.send(await tellMinutes(scene, 2));
      await expectRight(world, ids);
      await world.alive();
      return 'one was removed while its values were on their way, one while its candles waited: the others went on';
    },
  },
  {
    name: 'recomputation',
    rule: 'A value is a function of its window of candles alone: keep nothing from one value to the next.',
    async run(scene) {
      await scene.world.settled();
      await expectRecomputable(scene);
      return 'all that was computed live is the same in every bit when a new process computes it again';
    },
  },
  {
    name: 'other services',
    rule: 'Claim, compute, strike off and beat for your own service only.',
    async run(scene) {
      const { world, bystander, ids } = scene;
      await world.send(await tellMinutes(scene, 2));
      await expectRight(world, ids);
      const now = await world.bystander();
      const changed = [...bystander.keys()].filter(what => now.get(what) !== bystander.get(what));
      if (changed.length > 0) {
        throw new Error(`of another service, these are not as they were: ${changed.join(', ')}`);
      }
      return 'in all this time nothing became of what waits for another service';
    },
  },
];

const registration =
  'Call indicator.register_service and indicator.register_kind at each start, and indicator.beat at least every five seconds.';

export const checkNames: readonly string[] = checks.map(({ name }) => name);

/**
 * Tries the parts of the contract, one after the other; each is told as soon as it is known.
 *
 * @param chosen Only these; the registration is always looked at.
 * @throws when it is interrupted, with the reason of the signal.
 */
export async function conform(
  world: World,
  tell: (verdict: Verdict) => void,
  chosen: readonly string[] = checkNames,
): Promise<boolean> {
  const asked = checks.filter(({ name }) => chosen.includes(name));
  const { signal } = world.subject;
  const fail = (check: string, rule: string, error: unknown): void => {
    signal.throwIfAborted();
    const detail = error instanceof Error ? error.message : String(error);
    tell({ check, outcome: 'fail', detail, rule, words: world.process.lastWords() });
  };
  const giveUp = (rest: readonly Check[], detail: string): false => {
    for (const { name } of rest) tell({ check: name, outcome: 'not tried', detail });
    return false;
  };
  let scene: Scene;
  try {
    scene = await openScene(world);
    const names = scene.kinds.map(({ kind, bars }) => `${kind} (${bars} candles)`).join(', ');
    tell({ check: 'registration', outcome: 'pass', detail: `it lives; looked at: ${names}` });
  } catch (error) {
    fail('registration', registration, error);
    return giveUp(asked, 'there is no service to look at');
  }
  let isRight = true;
  for (const [place, { name, rule, run }] of asked.entries()) {
    try {
      tell({ check: name, outcome: 'pass', detail: await run(scene) });
    } catch (error) {
      fail(name, rule, error);
      isRight = false;
      if (place + 1 < asked.length && !(await beginAnew(scene))) {
        signal.throwIfAborted();
        return giveUp(asked.slice(place + 1), 'started anew, it does not even do what is due');
      }
    }
  }
  return isRight;
}

async function openScene(world: World): Promise<Scene> {
  await world.alive();
  await clear(world);
  const kinds = await chooseKinds(world);
  const longest = Math.max(...kinds.map(({ bars }) => bars));
  const symbol = await world.addInstrument();
  const ids: number[] = [];
  for (const { kind } of kinds) ids.push(await world.addIndicator(symbol, kind));
  await world.addBystander();
  const bystander = await world.bystander();
  const scene = { world, kinds, longest, symbol, ids, bystander, minutes: 0 };
  // As many as a window holds: no check looks at what only warms up.
  await world.send(await tellMinutes(scene, longest));
  return scene;
}

/** What one check has left wrong is not counted against the next; false: that cannot be put right. */
async function beginAnew({ world, ids }: Scene): Promise<boolean> {
  await world.process.kill();
  await world.forgetWork();
  for (const id of ids) await world.sql`select ops.recompute(${id})`;
  return world.settled().then(
    () => true,
    () => false,
  );
}
