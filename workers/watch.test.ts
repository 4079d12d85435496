import { describe, expect, it } from 'vitest';
import { watchCalls } from './watch.ts';

describe('watchCalls', () => {
  it('tells of a call that never ends, and of no other', async () => {
    const hung = Promise.withResolvers<Error>();
    const told: string[] = [];
    const watched = watchCalls(
      {
        add: async (one: number, other: number) => one + other,
        fail: async () => Promise.reject(new Error('refused')),
        hang: () => new Promise<void>(() => undefined),
        long: () => new Promise<void>(() => undefined),
      },
      {
        deadlineMs: 20,
        except: ['long'],
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
    expect(told).toEqual(['hang has had no answer for 20 ms']);
  });
});
