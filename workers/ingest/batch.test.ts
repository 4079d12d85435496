import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createBatcher } from './batch.ts';

describe('a batcher', () => {
  it('writes everything once, in order, in batches within the limit, one at a time', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 0, max: 30 }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        fc.integer({ min: 0, max: 3 }),
        fc.scheduler(),
        async (sizes, maxItems, maxWaitMs, scheduler) => {
          const batches: number[][] = [];
          let writing = 0;
          const write = scheduler.scheduleFunction(async () => undefined);
          const batcher = createBatcher<number>({
            maxItems,
            maxWaitMs,
            maxWaiting: 10,
            write: async items => {
              writing += 1;
              expect(writing).toBe(1);
              batches.push([...items]);
              await write();
              writing -= 1;
            },
          });
          let next = 0;
          const groups = sizes.map(size => Array.from({ length: size }, () => next++));
          const adding = (async () => {
            for (const group of groups) await batcher.add(group);
            await batcher.drain();
          })();
          await scheduler.waitFor(adding);
          expect(batches.flat()).toEqual(groups.flat());
          expect(batches.every(({ length }) => length > 0 && length <= maxItems)).toBe(true);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('makes add wait while too much is collected', async () => {
    const releases: (() => void)[] = [];
    const batcher = createBatcher<number>({
      maxItems: 2,
      maxWaitMs: 1,
      maxWaiting: 4,
      write: () => new Promise(resolve => releases.push(resolve)),
    });
    // Two are being written, four wait.
    for (const group of [
      [1, 2],
      [3, 4],
      [5, 6],
    ])
      await batcher.add(group);
    let isAdded = false;
    const added = batcher.add([7]).then(() => {
      isAdded = true;
    });
    await sleep(20);
    expect(isAdded).toBe(false);
    releases.shift()?.();
    await added;
    const drained = batcher.drain();
    let isDrained = false;
    const release = setInterval(() => releases.shift()?.(), 1);
    await drained.then(() => {
      isDrained = true;
    });
    clearInterval(release);
    expect(isDrained).toBe(true);
  });

  it('writes a batch that stays small after a short time', async () => {
    const written = Promise.withResolvers<readonly string[]>();
    const batcher = createBatcher<string>({
      maxItems: 100,
      maxWaitMs: 5,
      maxWaiting: 1_000,
      write: async items => written.resolve(items),
    });
    await batcher.add(['one']);
    await batcher.add(['two']);
    expect(await written.promise).toEqual(['one', 'two']);
    await batcher.drain();
  });
});
