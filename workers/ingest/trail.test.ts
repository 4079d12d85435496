import { expect, it } from 'vitest';
import type { Item } from './source.ts';
import { createTrail, type Mark } from './trail.ts';

const at = (second: number) => `2026-03-02T10:00:${String(second).padStart(2, '0')}.000000Z`;
const mark = (id: number, second: number): Mark => ({ id: BigInt(id), time: at(second) });
/** `covered 1-2`, `missed 3-4: why`, in seconds. */
const told = (items: readonly Item[]) =>
  items.map(item => {
    if (item.kind !== 'covered' && item.kind !== 'missed') return item.kind;
    const span = `${item.kind} ${Number(item.from.slice(17, 19))}-${Number(item.to.slice(17, 19))}`;
    return item.kind === 'missed' ? `${span}: ${item.cause}` : span;
  });

it('covers from trade to trade as long as no id is missing', () => {
  const trail = createTrail();
  expect(told(trail.trade('A', mark(7, 1)))).toEqual(['covered 1-1']);
  expect(told(trail.trade('A', mark(8, 3)))).toEqual(['covered 1-3']);
  expect(told(trail.trade('B', mark(100, 2)))).toEqual(['covered 2-2']);
  expect(told(trail.trade('A', mark(8, 3)))).toEqual([]);
  expect(told(trail.trade('A', mark(11, 5)))).toEqual([
    'missed 3-5: trades 9 to 10 did not come',
    'covered 5-5',
  ]);
});

it('takes nothing back into what is covered by a time that comes late', () => {
  const trail = createTrail();
  trail.trade('A', mark(1, 1));
  trail.trade('A', mark(3, 6));
  // Before the trade that was missed, by a beat that is told later, or by a clock that goes back.
  expect(told(trail.beat('A', at(2), null))).toEqual([]);
  expect(told(trail.trade('A', mark(4, 2)))).toEqual([]);
  expect(told(trail.trade('A', mark(5, 7)))).toEqual(['covered 6-7']);
});

it('lets the first trade begin before a beat that came before it', () => {
  const trail = createTrail();
  expect(told(trail.beat('A', at(9), null))).toEqual(['covered 9-9']);
  expect(told(trail.trade('A', mark(1, 4)))).toEqual(['covered 4-9']);
  expect(told(trail.beat('A', at(10), 1n))).toEqual(['covered 9-10']);
  expect(told(trail.beat('B', at(3), null))).toEqual(['covered 3-3']);
  expect(told(trail.trade('B', mark(1, 4)))).toEqual(['covered 3-4']);
});

it('waits a beat for a trade that the provider tells of, then counts it as lost', () => {
  const trail = createTrail();
  trail.trade('A', mark(1, 1));
  expect(told(trail.beat('A', at(2), 2n))).toEqual([]);
  expect(told(trail.trade('A', mark(2, 2)))).toEqual(['covered 1-2']);
  expect(told(trail.beat('A', at(3), 3n))).toEqual([]);
  expect(trail.losses('A')).toBe(0);
  expect(told(trail.beat('A', at(4), 4n))).toEqual([
    'missed 2-4: trades 3 to 4 did not come',
    'covered 4-4',
  ]);
  expect(trail.losses('A')).toBe(1);
  expect(told(trail.beat('A', at(5), 4n))).toEqual(['covered 4-5']);
  expect(trail.losses('A')).toBe(0);
});

it('counts as lost what a beat tells of before the first trade', () => {
  const silent = createTrail();
  expect(told(silent.beat('A', at(1), 5n))).toEqual(['covered 1-1']);
  expect(told(silent.beat('A', at(2), 5n))).toEqual(['covered 1-2']);
  expect(told(silent.beat('A', at(3), 6n))).toEqual([]);
  expect(told(silent.beat('A', at(4), 7n))).toEqual([
    'missed 2-4: trades 6 to 7 did not come',
    'covered 4-4',
  ]);
  expect(silent.losses('A')).toBe(1);
  expect(told(silent.trade('A', mark(8, 5)))).toEqual(['covered 4-5']);

  const late = createTrail();
  late.beat('A', at(1), 5n);
  late.beat('A', at(2), null);
  expect(told(late.trade('A', mark(8, 4)))).toEqual([
    'missed 1-4: trades 6 to 7 did not come',
    'covered 4-4',
  ]);
  expect(told(late.trade('A', mark(9, 6)))).toEqual(['covered 4-6']);

  // The one that the beat told of, or one before it, which was on its way.
  const old = createTrail();
  old.beat('A', at(3), 5n);
  expect(told(old.trade('A', mark(4, 1)))).toEqual(['covered 1-3']);
  expect(told(old.trade('A', mark(6, 4)))).toEqual([
    'missed 1-4: trade 5 did not come',
    'covered 4-4',
  ]);

  const followed = createTrail();
  followed.follow(new Map([['A', mark(3, 0)]]));
  followed.beat('A', at(1), 5n);
  expect(told(followed.trade('A', mark(8, 4)))).toEqual([
    'missed 0-4: trades 4 to 7 did not come',
    'covered 4-4',
  ]);
});

it('goes on where another connection ended, and knows what came between by the ids', () => {
  const before = new Map([['A', mark(5, 1)]]);
  const whole = createTrail();
  whole.follow(before);
  expect(told(whole.trade('A', mark(6, 9)))).toEqual(['covered 1-9', 'covered 9-9']);

  const late = createTrail();
  late.trade('A', mark(6, 9));
  expect(told(late.follow(before))).toEqual(['covered 1-9']);

  const torn = createTrail();
  torn.follow(before);
  expect(told(torn.trade('A', mark(7, 9)))).toEqual([
    'missed 1-9: trade 6 did not come',
    'covered 9-9',
  ]);

  const beaten = createTrail();
  beaten.follow(before);
  expect(told(beaten.beat('A', at(5), null))).toEqual(['covered 5-5']);
  expect(told(beaten.trade('A', mark(7, 9)))).toEqual([
    'missed 1-9: trade 6 did not come',
    'covered 9-9',
  ]);

  const quiet = createTrail();
  quiet.follow(before);
  expect(told(quiet.beat('A', at(9), 5n))).toEqual(['covered 1-9']);

  const overlapping = createTrail();
  overlapping.beat('A', at(3), 5n);
  overlapping.follow(before);
  expect(told(overlapping.beat('A', at(9), 5n))).toEqual(['covered 1-9']);
});

it('leaves missed what two connections that overlap both missed', () => {
  const old = createTrail();
  old.trade('A', mark(1, 1));
  old.beat('A', at(4), 3n);
  expect(told(old.beat('A', at(5), 4n))).toEqual([
    'missed 1-5: trades 2 to 4 did not come',
    'covered 5-5',
  ]);
  const next = createTrail();
  next.trade('A', mark(2, 2));
  expect(told(next.trade('A', mark(6, 8)))).toEqual([
    'missed 2-8: trades 3 to 5 did not come',
    'covered 8-8',
  ]);
  expect(told(next.follow(old.marks()))).toEqual([]);
});

it('learns nothing from a trade of an earlier connection that is said again', () => {
  const trail = createTrail();
  trail.recall(new Map([['A', mark(20, 9)]]));
  expect(told(trail.follow(new Map([['A', mark(20, 9)]])))).toEqual([]);
  expect(told(trail.beat('A', at(12), null))).toEqual(['covered 12-12']);
  expect(told(trail.trade('A', mark(3, 1)))).toEqual([]);
  expect(told(trail.beat('A', at(14), null))).toEqual(['covered 12-14']);
  expect([...trail.marks()]).toEqual([]);
  expect(told(trail.trade('A', mark(24, 15)))).toEqual([
    'missed 9-15: trades 21 to 23 did not come',
    'covered 15-15',
  ]);
  // The newest of before is still the newest: nobody traded since.
  const next = createTrail();
  next.recall(new Map([['A', mark(20, 9)]]));
  next.follow(new Map([['A', mark(20, 9)]]));
  expect(told(next.trade('A', mark(20, 9)))).toEqual(['covered 9-9', 'covered 9-9']);
});

it('makes a gap of a microsecond of what was missed within a moment', () => {
  const trail = createTrail();
  trail.trade('A', mark(1, 1));
  const [missed] = trail.trade('A', mark(3, 1));
  expect(missed).toMatchObject({
    kind: 'missed',
    from: '2026-03-02T10:00:01.000000Z',
    to: '2026-03-02T10:00:01.000001Z',
  });
});
