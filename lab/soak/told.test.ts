import { describe, expect, it } from 'vitest';
import { hold, judgeTelling, type Observation, type Signs } from './told.ts';

const fault = 'changes of 3 instruments have waited to be captured since noon';
const signs: Signs = { fault: /^changes of /, step: 'tick to delta' };
/** Any time, in milliseconds since 1970. */
const begin = Date.UTC(2026, 0, 5);

/** Asked at this second after the begin, and answered at once. */
const seen = (second: number, faults: readonly string[] = []): Observation => ({
  askedAt: begin + second * 1_000,
  at: begin + second * 1_000,
  faults,
  lag: {},
  queues: {},
  readyz: faults.length === 0 ? 'ready\n' : faults.join('\n'),
});
const everySecond = (from: number, to: number, told: (second: number) => boolean) =>
  Array.from({ length: to - from + 1 }, (_, index) =>
    seen(from + index, told(from + index) ? [fault] : []),
  );
const judge = (
  observations: readonly Observation[],
  [from, to]: readonly [number, number],
  own = signs,
) => judgeTelling(observations, own, { from: begin + from * 1_000, to: begin + to * 1_000 });

describe('what a fault that lasts has to be told', () => {
  it('is told when a view says it while it holds', () => {
    const told = judge(
      everySecond(0, 30, second => second >= 12 && second < 23),
      [0, 22],
    );
    expect(told.told).toBe('shown');
    expect([...told.after]).toEqual([
      ['ops.status', 12_000],
      ['/readyz', 12_000],
    ]);
  });

  it('is missed when it held for long enough and nobody told it', () => {
    const told = judge(
      [...everySecond(0, 20, () => false).slice(0, -1), seen(20, ['process web is not running'])],
      [0, 22],
    );
    expect(told.told).toBe('missed');
  });

  it('is missed when it is told too late', () => {
    expect(
      judge(
        everySecond(0, 30, second => second >= 19),
        [0, 25],
      ).told,
    ).toBe('missed');
  });

  it('is not missed when another fault ended it after five seconds', () => {
    expect(
      judge(
        everySecond(0, 30, () => false),
        [0, 5],
      ).told,
    ).toBe('brief');
  });

  it('is missed when it was cut short only after it had to be told', () => {
    expect(
      judge(
        everySecond(0, 30, () => false),
        [0, 17],
      ).told,
    ).toBe('missed');
  });

  it('is not told by what a view says after its end, nor by what it said before', () => {
    expect(
      judge(
        everySecond(-5, 30, second => second < 0 || second > 5),
        [0, 5],
      ).told,
    ).toBe('brief');
    expect(
      judge(
        everySecond(-5, 30, second => second < 0 || second > 22),
        [0, 22],
      ).told,
    ).toBe('missed');
  });

  it('is unseen when nobody could ask, though it held for long', () => {
    const early = everySecond(0, 10, () => false);
    expect(judge(early, [0, 22]).told).toBe('unseen');
    const slow = { ...seen(14), at: begin + 18_000 };
    expect(judge([...early, slow], [0, 22]).told).toBe('unseen');
  });

  it('has its own time, where the view need not wait', () => {
    const own = { fault: /^changes of /, withinMs: 2_000 };
    expect(
      judge(
        everySecond(0, 5, () => false),
        [0, 4],
        own,
      ).told,
    ).toBe('missed');
    expect(
      judge(
        everySecond(0, 5, () => false),
        [0, 2],
        own,
      ).told,
    ).toBe('brief');
  });

  it('counts for a queue only what waits for more than a moment', () => {
    const own = { queue: 'soak-all' };
    const waiting = (seconds: number) => [{ ...seen(16), queues: { 'soak-all': seconds } }];
    expect(judge(waiting(9), [0, 22], own).told).toBe('shown');
    expect(judge(waiting(1), [0, 22], own).told).toBe('missed');
  });
});

describe('a fault that is held', () => {
  it('holds for as long as it was asked to', async () => {
    const asked = Date.now();
    const { from, to } = await hold(300, () => true);
    expect(from).toBeGreaterThanOrEqual(asked);
    expect(to - from).toBeGreaterThanOrEqual(300);
  });

  it('ends when another one ends it', async () => {
    let holds = true;
    setTimeout(() => {
      holds = false;
    }, 200);
    const { from, to } = await hold(60_000, () => holds);
    expect(to - from).toBeLessThan(5_000);
    expect(Date.now() - from).toBeLessThan(10_000);
  });

  it('has not held at all when it was over before', async () => {
    const { from, to } = await hold(60_000, () => false);
    expect(to).toBe(from);
  });

  it('that shows only by what it holds up has held from when that waits', async () => {
    const asked = Date.now();
    const looks = async () => (Date.now() < asked + 500 ? undefined : asked + 600);
    const { from, to } = await hold(1_200, () => true, looks);
    expect(from).toBe(asked + 600);
    expect(to - from).toBeGreaterThanOrEqual(600);
  });

  it('has not held from before anybody could see what waits', async () => {
    const asked = Date.now();
    const looks = async () => (Date.now() < asked + 500 ? undefined : asked - 10_000);
    const { from, to } = await hold(1_200, () => true, looks);
    expect(from).toBeGreaterThan(asked);
    expect(from).toBeLessThan(to);
    expect((await hold(300, () => true, looks)).from).toBeGreaterThan(from);
  });

  it('has held anew when what waited is gone and something else waits', async () => {
    const asked = Date.now();
    const looks = async () => {
      const now = Date.now();
      if (now < asked + 300) return asked;
      return now < asked + 700 ? undefined : asked + 750;
    };
    expect((await hold(1_400, () => true, looks)).from).toBe(asked + 750);
  });

  it('has not held at all without anything that waits', async () => {
    const { from, to } = await hold(
      300,
      () => true,
      async () => undefined,
    );
    expect(to).toBe(from);
  });

  it('has held though nobody answers any more what waits', async () => {
    const asked = Date.now();
    const looks = async () => {
      if (Date.now() < asked + 200) return asked + 100;
      throw new Error('the server is away');
    };
    const held = await hold(700, () => true, looks);
    expect(held.from).toBe(asked + 100);
    const never = await hold(
      700,
      () => true,
      () => new Promise(() => undefined),
    );
    expect(never.from).toBe(never.to);
  });

  it('is missed when something waited for long enough and nobody told it', async () => {
    const begunAt = Date.now();
    const held = await hold(
      900,
      () => true,
      async () => (Date.now() < begunAt + 300 ? undefined : begunAt + 250),
    );
    const asked = { ...seen(0), askedAt: held.to, at: held.to };
    const own = { fault: /^changes of /, withinMs: 50 };
    expect(judgeTelling([asked], own, held).told).toBe('missed');
    expect(judgeTelling([asked], { ...own, withinMs: 500 }, held).told).toBe('brief');
  });
});
