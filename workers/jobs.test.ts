import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Context } from '../db/runtime/process.ts';
import { testLogger } from '../tests/support/database.ts';
import { createAlarm, type Jobs, linger, startWorkHeartbeat } from './jobs.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe('A job that lingers', () => {
  /** Each task takes 10 ms. */
  function lingering(options: { atMost?: number; lifeMs?: number } = {}) {
    const stop = new AbortController();
    const begun: number[] = [];
    const startedAt = Date.now();
    const { run, wake } = linger(
      async () => {
        begun.push(Date.now() - startedAt);
        await new Promise(resolve => setTimeout(resolve, 10));
      },
      { atMost: 2, ...options, signal: stop.signal, forMs: 1_000 },
    );
    let ended = 0;
    const start = () => {
      void run().then(() => {
        ended += 1;
      });
    };
    return { start, wake, begun, ended: () => ended, stop };
  }

  it('is woken as often as there is more, and ends a while after', async () => {
    const { start, wake, begun, ended } = lingering();
    expect(wake()).toBe(false);
    start();
    expect(wake(), 'it is at work').toBe(false);
    await vi.advanceTimersByTimeAsync(500);
    expect(wake()).toBe(true);
    expect(wake(), 'it is at work again').toBe(false);
    await vi.advanceTimersByTimeAsync(900);
    expect(wake()).toBe(true);
    await vi.advanceTimersByTimeAsync(1_009);
    expect([ended(), begun]).toEqual([0, [0, 500, 1_400]]);
    await vi.advanceTimersByTimeAsync(2);
    expect(ended()).toBe(1);
    expect(wake()).toBe(false);
    start();
    await vi.advanceTimersByTimeAsync(1);
    expect(begun).toHaveLength(4);
  });

  it('takes the work of a job that comes meanwhile', async () => {
    const { start, begun, ended } = lingering();
    start();
    await vi.advanceTimersByTimeAsync(100);
    start();
    await vi.advanceTimersByTimeAsync(1);
    expect([ended(), begun]).toEqual([1, [0, 100]]);
  });

  it('is one of a few', async () => {
    const { start, wake, begun, ended } = lingering();
    for (let job = 0; job < 3; job++) start();
    await vi.advanceTimersByTimeAsync(11);
    expect([ended(), begun]).toEqual([1, [0, 0, 0]]);
    expect([wake(), wake(), wake()]).toEqual([true, true, false]);
  });

  it('ends at the stop, and does not live for ever', async () => {
    const { start, wake, begun, ended, stop } = lingering({ lifeMs: 3_000 });
    start();
    for (let time = 0; time < 5; time++) {
      await vi.advanceTimersByTimeAsync(900);
      wake();
    }
    await vi.advanceTimersByTimeAsync(11);
    expect([ended(), begun]).toEqual([1, [0, 900, 1_800, 2_700, 3_600]]);
    start();
    await vi.advanceTimersByTimeAsync(100);
    stop.abort();
    await vi.advanceTimersByTimeAsync(1);
    expect(ended()).toBe(2);
    expect(wake()).toBe(false);
  });
});

describe('The alarm', () => {
  function alarmWith(nextWorkIn: () => Promise<number | null> = async () => null) {
    const startedAt = Date.now();
    const nudges: number[] = [];
    const nudge = async () => {
      nudges.push(Date.now() - startedAt);
    };
    return { alarm: createAlarm({ nextWorkIn, nudge, logger: testLogger }), nudges };
  }

  it('nudges at the moment that a heartbeat names, and only then', async () => {
    const { alarm, nudges } = alarmWith();
    expect(await alarm.hear(Promise.resolve(740.2))).toBe(false);
    await vi.advanceTimersByTimeAsync(740);
    expect(nudges).toEqual([]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect(nudges).toEqual([741]);
  });

  it('nudges at once for what is to be done now, and never for nothing', async () => {
    const { alarm, nudges } = alarmWith();
    expect(await alarm.hear(Promise.resolve(null))).toBe(false);
    await vi.advanceTimersByTimeAsync(60_000);
    expect(nudges).toEqual([]);
    expect(await alarm.hear(Promise.resolve(-3))).toBe(true);
    await vi.advanceTimersByTimeAsync(1);
    expect(nudges).toHaveLength(1);
  });

  it('looks ahead after a pass, and leaves what it left alone for a moment', async () => {
    let answer = 300;
    const { alarm, nudges } = alarmWith(async () => answer);
    alarm.lookAhead();
    await vi.advanceTimersByTimeAsync(2_000);
    expect(nudges).toHaveLength(1);
    expect(nudges[0]).toBeLessThan(310);
    answer = -1;
    alarm.lookAhead();
    await vi.advanceTimersByTimeAsync(990);
    expect(nudges).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(20);
    expect(nudges).toHaveLength(2);
  });

  it('asks seldom while passes follow each other, and once after the last of them', async () => {
    let asked = 0;
    const { alarm, nudges } = alarmWith(async () => {
      asked += 1;
      // Marks that are captured by the pass that comes next.
      return -1;
    });
    for (let passes = 0; passes < 100; passes++) {
      alarm.lookAhead();
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(asked).toBeGreaterThan(5);
    expect(asked).toBeLessThan(15);
    expect(nudges).toEqual([]);
    alarm.lookAhead();
    const before = asked;
    await vi.advanceTimersByTimeAsync(5_000);
    expect(asked).toBe(before + 1);
    expect(nudges).toHaveLength(1);
  });

  it('asks a moment after something was sent out, and has at once done what came back of it', async () => {
    let answer: number | null = null;
    const { alarm, nudges } = alarmWith(async () => answer);
    alarm.expectWork();
    await vi.advanceTimersByTimeAsync(200);
    answer = -1;
    await vi.advanceTimersByTimeAsync(100);
    expect(nudges).toHaveLength(1);
    // Also while passes follow each other, of whichever kind.
    for (let passes = 0; passes < 100; passes++) {
      alarm.lookAhead();
      alarm.expectWork();
      await vi.advanceTimersByTimeAsync(50);
    }
    expect(nudges.length).toBeGreaterThan(8);
    expect(nudges.length).toBeLessThan(15);
  });

  it('follows the answer that was asked for last, whichever comes last', async () => {
    const { promise, resolve } = Promise.withResolvers<number | null>();
    const { alarm, nudges } = alarmWith(async () => 300);
    const heard = alarm.hear(promise);
    alarm.lookAhead();
    await vi.advanceTimersByTimeAsync(10);
    resolve(null);
    await heard;
    await vi.advanceTimersByTimeAsync(1_000);
    expect(nudges).toHaveLength(1);
  });

  it('goes on after a question without an answer', async () => {
    const { alarm, nudges } = alarmWith(() => Promise.reject(new Error('no database')));
    await expect(alarm.hear(Promise.reject(new Error('no database')))).rejects.toThrow();
    alarm.lookAhead();
    await vi.advanceTimersByTimeAsync(10);
    await alarm.hear(Promise.resolve(10));
    await vi.advanceTimersByTimeAsync(100);
    expect(nudges).toHaveLength(1);
  });

  it('is silent once it is stopped', async () => {
    const { alarm, nudges } = alarmWith();
    await alarm.hear(Promise.resolve(10));
    alarm.stop();
    await alarm.hear(Promise.resolve(10));
    await vi.advanceTimersByTimeAsync(1_000);
    expect(nudges).toEqual([]);
  });
});

describe('The heartbeat of a process with jobs', () => {
  function start(beat: () => Promise<boolean>) {
    let activeAt = Date.now();
    const jobs: Jobs = {
      workerIds: () => [],
      lastActivity: () => activeAt,
      add: async () => undefined,
      wake: vi.fn(),
      stop: async () => undefined,
    };
    const fail = vi.fn();
    startWorkHeartbeat(
      {
        fail,
        logger: testLogger,
        onStop: () => undefined,
      } as Partial<Context> as Context,
      { beat, jobs },
    );
    return {
      jobs,
      fail,
      begin: () => {
        activeAt = Date.now();
      },
    };
  }

  it('wakes graphile-worker when work waits from one beat to the next', async () => {
    let isWork = true;
    const { jobs, begin } = start(async () => isWork);
    await vi.advanceTimersByTimeAsync(1_900);
    expect(jobs.wake).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(jobs.wake).toHaveBeenCalledTimes(1);
    await vi.advanceTimersByTimeAsync(1_800);
    begin();
    await vi.advanceTimersByTimeAsync(200);
    expect(jobs.wake, 'a task has just begun').toHaveBeenCalledTimes(1);
    isWork = false;
    await vi.advanceTimersByTimeAsync(60_000);
    expect(jobs.wake).toHaveBeenCalledTimes(1);
  });

  it('ends the process when work waits for long and no task begins', async () => {
    const { fail, begin } = start(async () => true);
    for (let beats = 0; beats < 30; beats++) {
      await vi.advanceTimersByTimeAsync(2_000);
      begin();
    }
    expect(fail).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(19_000);
    expect(fail).toHaveBeenCalled();
  });

  it('has one beat under way at a time, and beats on when that has failed', async () => {
    let beats = 0;
    const { promise, reject } = Promise.withResolvers<boolean>();
    start(() => {
      beats += 1;
      return beats === 1 ? promise : Promise.resolve(false);
    });
    await vi.advanceTimersByTimeAsync(20_000);
    expect(beats).toBe(1);
    reject(new Error('no database'));
    await vi.advanceTimersByTimeAsync(2_000);
    expect(beats).toBe(2);
  });
});
