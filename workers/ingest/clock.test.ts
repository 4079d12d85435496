import { describe, expect, it } from 'vitest';
import { createClock } from './clock.ts';

describe('The clock of a host', () => {
  /** Ours is `ahead` of the other's, and the way there and back takes so long. */
  async function measured(ahead: number, there: number, back: number): Promise<number | null> {
    let theirs = 1_000_000;
    const clock = createClock(() => theirs + ahead);
    expect(clock.offset()).toBeNull();
    await clock.compare(async () => {
      theirs += there;
      const answer = theirs;
      theirs += back;
      return answer;
    });
    return clock.offset();
  }

  it.each([
    [0, 1, 1, 0],
    [172_800_000, 5, 5, 172_799_995],
    [-3_600_000, 5, 5, -3_599_995],
    [0, 0, 1_500, 0],
    [0, 1_500, 0, 0],
    [0, 30_000, 0, null],
    [100_000, 30_000, 0, 70_000],
    [100_000, 0, 30_000, 100_000],
    [-100_000, 0, 30_000, -70_000],
  ])('that is %i ms ahead, asked in %i and %i ms, is at least %s ms ahead', async (...given) => {
    const [ahead, there, back, expected] = given;
    expect(await measured(ahead, there, back)).toBe(expected);
  });

  it('is as it was when there is no answer', async () => {
    const clock = createClock(() => 5_000);
    await clock.compare(async () => 2_000);
    await expect(clock.compare(() => Promise.reject(new Error('no answer')))).rejects.toThrow();
    expect(clock.offset()).toBe(3_000);
  });
});
