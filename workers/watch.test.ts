import { describe, expect, it } from 'vitest';
import { watchCalls } from './watch.ts';

const never = () => new Promise<never>(() => undefined);

/** Watches calls for a moment, of which `long` may take long; resolves with what hung first. */
function watchLong(isRunning: () => Promise<boolean>, long = never) {
  const hung = Promise.withResolvers<string>();
  const watched = watchCalls(
    { long },
    {
      deadlineMs: 20,
      long: { calls: ['long'], isRunning },
      onHang: error => hung.resolve(error.message),
    },
  );
  return { watched, hung: hung.promise };
}

describe('watchCalls', () => {
  it('tells of a call that never ends, and of no other', async () => {
    const hung = Promise.withResolvers<Error>();
    const told: string[] = [];
    const watched = watchCalls(
      {
        add: async (one: number, other: number) => one + other,
        fail: async () => Promise.reject(new Error('refused')),
        hang: never,
        long: never,
      },
      {
        deadlineMs: 20,
        long: { calls: ['long'], isRunning: async () => true },
        onHang: error => {
          told.push(error.message);
          hung.resolve(error);
        },
      },
    );
    expect(await watched.add(1, 2)).toBe(3);
    await expect(watched.fail()).rejects.toThrow('refused');
    void watched.long();
    void watched.hang();
    await hung.promise;
    expect(told).toEqual([expect.stringMatching(/^hang has had no answer for \d+ ms$/)]);
  });

  it('tells of a long call as soon as the database works on none', async () => {
    let asked = 0;
    const { watched, hung } = watchLong(async () => {
      asked += 1;
      return asked < 3;
    });
    void watched.long();
    expect(await hung).toMatch(/^long has had no answer/);
    expect(asked).toBe(3);
  });

  it('tells of a long call when nobody says whether it goes on', async () => {
    const { watched, hung } = watchLong(never);
    void watched.long();
    expect(await hung).toMatch(/^long has had no answer/);
  });

  it('waits for a database that is away, and asks no more after the end', async () => {
    let asked = 0;
    const ending = Promise.withResolvers<void>();
    const call = () => ending.promise as Promise<never>;
    const { watched, hung } = watchLong(async () => {
      asked += 1;
      if (asked === 3) ending.resolve();
      throw new Error('away');
    }, call);
    await watched.long();
    const told = await Promise.race([
      hung,
      new Promise(resolve => setTimeout(resolve, 100, 'nothing')),
    ]);
    expect(told).toBe('nothing');
    expect(asked).toBe(3);
  });
});
