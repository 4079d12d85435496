import { sayingFaultOf, valuesOf } from './evidence.ts';
import { closesOf, expectEqual, type Scene, startOf } from './scene.ts';

/** A part of the contract: what is done to the service; returns what was seen, and throws what is wrong. */
export interface Check {
  readonly name: string;
  /** What a service that fails it does not keep to. */
  readonly rule: string;
  readonly run: (scene: Scene) => Promise<string>;
}

export const checks: readonly Check[] = [
  {
    name: 'values',
    rule: 'Compute all that a claim asks for, store it with the revision of the claim, and strike the claim off only then.',
    async run(scene) {
      await scene.followMinutes(20, 2_000);
      return `${scene.minutes()} candles in several messages: each has its values, and no work is left`;
    },
  },
  {
    name: 'history',
    rule: 'Strike a stretch of history off only after its values are stored, from from_bucket to to_bucket, without prices: nothing was said when its candles closed.',
    async run({ world, kinds, longest, expectRight }) {
      const symbol = await world.addInstrument();
      await world.record(symbol, closesOf(0, longest + 25));
      await world.publish();
      const ids: number[] = [];
      for (const { kind } of kinds) ids.push(await world.addIndicator(symbol, kind));
      await expectRight(ids);
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
      await scene.followMinutes(5);
      for (const id of scene.ids) {
        const fault = await sayingFaultOf(scene.world.sql, id, 5);
        if (fault !== undefined) throw new Error(`indicator ${id}: ${fault}`);
      }
      return 'what was said of closed candles is kept, with their closes';
    },
  },
  {
    name: 'redelivery',
    rule: 'A message that comes again is no news: note what it names with indicator.accept_candles, and compute what is claimed, not what a message says.',
    async run(scene) {
      const { world } = scene;
      const bodies = await scene.addMinutes(5, 1_000);
      await world.send([...bodies, ...bodies]);
      await scene.expectRight();
      const before = await scene.values();
      await world.send([...bodies, ...bodies.toReversed()]);
      await world.settled();
      expectEqual(before, await scene.values(), 'after messages came again');
      // Who keeps candles of its own has them several times by now.
      await scene.followMinutes(5);
      await scene.expectRecomputable();
      return `${bodies.length} messages, each four times: the values are those of candles that came once`;
    },
  },
  {
    name: 'reordering',
    rule: 'The newest state of a candle counts, whichever message comes last: read candles with indicator.candle_window, not from messages.',
    async run(scene) {
      const { world } = scene;
      const first = await scene.addMinutes(3);
      const second = await scene.changeMinute(scene.minutes() - 2, 1);
      const third = await scene.changeMinute(scene.minutes() - 2, 2);
      await world.send(third);
      await world.settled();
      await world.send([...second, ...first]);
      await scene.expectRight();
      await scene.expectRecomputable();
      return 'three states of a candle, the newest told first: its values are those of the newest';
    },
  },
  {
    name: 'revision order',
    rule: 'A candle that changes while its values are computed is claimed again, under another work id: strike off the work_ids of the claim, and remember nothing as done.',
    async run(scene) {
      const { world } = scene;
      const bodies = await scene.addMinutes(3);
      await world.whileItAdds(
        'indicator.values',
        () => world.send(bodies),
        async () => world.accept(await scene.changeMinute(scene.minutes() - 2, 3)),
      );
      await scene.expectRight();
      await scene.expectRecomputable();
      return 'a candle changed while its values were in hand: they are those of its newest state';
    },
  },
  {
    name: 'late ticks',
    rule: 'A changed candle is in the windows of those after it: values are due up to bars_window - 1 candles after it, and nowhere else.',
    async run(scene) {
      const { world, ids, kinds } = scene;
      const valuesOfEach = () => Promise.all(ids.map(id => valuesOf(world.sql, id)));
      await scene.followMinutes(15);
      const before = await valuesOfEach();
      const minute = scene.minutes() - 12;
      await world.send(await scene.changeMinute(minute, 4));
      await scene.expectRight();
      const after = await valuesOfEach();
      const changedAt = startOf(minute);
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
      await scene.expectRecomputable();
      return 'exactly the values whose windows hold the changed candle are of its revision';
    },
  },
  {
    name: 'restart with a message in hand',
    rule: 'Delete a message only after indicator.accept_candles has noted what it names.',
    async run(scene) {
      const bodies = await scene.addMinutes(3);
      await scene.world.killWhileItAdds('indicator.pending', () => scene.world.send(bodies));
      await scene.expectRight();
      return 'killed before it could note what a message names: nothing is lost';
    },
  },
  {
    name: 'restart with work in hand',
    rule: 'Call indicator.finish_pending only after indicator.record_values.',
    async run(scene) {
      const bodies = await scene.addMinutes(3);
      await scene.world.killWhileItAdds('indicator.values', () => scene.world.send(bodies));
      await scene.expectRight();
      return 'killed before it could store values: nothing is lost';
    },
  },
  {
    name: 'restart in a history',
    rule: 'Call indicator.finish_backfill only after indicator.record_values.',
    async run({ world, kinds: [first], expectRight }) {
      const symbol = await world.addInstrument();
      const { kind = '', bars = 1 } = first ?? {};
      await world.record(symbol, closesOf(0, bars + 40));
      await world.publish();
      let id = 0;
      await world.killWhileItAdds('indicator.values', async () => {
        id = await world.addIndicator(symbol, kind);
      });
      await expectRight([id]);
      return 'killed before it could store the first stretch: all of it has values';
    },
  },
  {
    name: 'two processes',
    rule: 'Any number of processes may compute for a service: each beats under its own host and process id, and does only what it has claimed.',
    async run(scene) {
      const { world } = scene;
      await world.besideAnother(async () => {
        await scene.followMinutes(20, 1_000);
        const bodies = await scene.addMinutes(3);
        await world.killWhileItAdds('indicator.values', () => world.send(bodies));
        await scene.expectRight();
      });
      await scene.expectRecomputable();
      return 'two at a time, of which one was killed: every value is there, the same as of one';
    },
  },
  {
    name: 'lost connections',
    rule: 'Connect again when a connection is lost, or end, so that a supervisor starts the process anew.',
    async run(scene) {
      await scene.world.cutConnections();
      await scene.followMinutes(3);
      await scene.world.alive();
      return 'its connections to the database were ended: it went on';
    },
  },
  {
    name: 'queue outage',
    rule: 'Limit the time of each request to the queue and call indicator.beat all the same, at least every five seconds; then ask the queue again: messages that wait there are not lost.',
    async run(scene) {
      const { world } = scene;
      const bodies = await scene.addMinutes(3);
      await world.whileQueueHangs(() => world.send(bodies));
      await scene.expectRight();
      await world.alive();
      return 'its queue did not answer for a while: it lived on, and went on';
    },
  },
  {
    name: 'poison',
    rule: 'Set aside what is no message or no candle (indicator.set_aside), take the good ones beside it, and go on.',
    async run(scene) {
      const { world } = scene;
      const { sql } = world;
      const { service } = world.subject;
      await sql`delete from indicator.dead_letters where service = ${service}`;
      const [good = '{}'] = await scene.addMinutes(2);
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
      await scene.expectRight();
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
      const { world } = scene;
      const { kind = '' } = scene.kinds[0] ?? {};
      const add = async (): Promise<{ id: number; bodies: string[] }> => {
        const symbol = await world.addInstrument();
        const id = await world.addIndicator(symbol, kind);
        await world.settled();
        await world.record(symbol, closesOf(0, 5));
        return { id, bodies: await world.publish() };
      };
      const first = await add();
      await world.removeWhileItStores(first.id, () => world.send(first.bodies));
      await scene.expectRight();
      const second = await add();
      await world.process.kill();
      await world.accept(second.bodies);
      await world.sql`select indicator.remove(${second.id})`;
      await scene.followMinutes(2);
      await world.alive();
      return 'one was removed while its values were on their way, one while its candles waited: the others went on';
    },
  },
  {
    name: 'recomputation',
    rule: 'A value is a function of its window of candles alone: keep nothing from one value to the next.',
    async run(scene) {
      await scene.world.settled();
      await scene.expectRecomputable();
      return 'all that was computed live is the same in every bit when a new process computes it again';
    },
  },
  {
    name: 'other services',
    rule: 'Claim, compute, strike off and beat for your own service only.',
    async run(scene) {
      await scene.followMinutes(2);
      const then = scene.bystanderThen;
      const now = await scene.bystander.state();
      const changed = [...then.keys()].filter(what => now.get(what) !== then.get(what));
      if (changed.length > 0) {
        throw new Error(`of another service, these are not as they were: ${changed.join(', ')}`);
      }
      return 'in all this time nothing became of what waits for another service';
    },
  },
];
