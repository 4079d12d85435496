import { expect, test } from 'vitest';
import { createTrends } from './trends.ts';

test('what is known is given at once while it is read again', async () => {
  let time = 0;
  let answer = 1;
  let reads = 0;
  const trends = createTrends(
    async () => {
      reads += 1;
      return [{ instrument_id: 1, day_open: answer, opened_at: '2026-01-05', closes: [] }];
    },
    { keepMs: 100, now: () => time },
  );
  const open = async () => (await trends()).get(1)?.day_open;
  expect(await open()).toBe(1);
  answer = 2;
  time = 100;
  expect(await open()).toBe(1);
  expect(reads).toBe(1);
  time = 101;
  expect(await open()).toBe(1);
  expect(await open()).toBe(2);
  expect(reads).toBe(2);
});

test('a failed reading leaves what is known and is tried again', async () => {
  let time = 0;
  let isDown = false;
  const trends = createTrends(
    async () => {
      if (isDown) throw new Error('away');
      return [{ instrument_id: 1, day_open: time, opened_at: '2026-01-05', closes: [] }];
    },
    { keepMs: 0, now: () => time },
  );
  await trends();
  isDown = true;
  time = 1;
  expect((await trends()).get(1)?.day_open).toBe(0);
  await new Promise(resolve => setTimeout(resolve, 0));
  isDown = false;
  time = 2;
  await trends();
  await new Promise(resolve => setTimeout(resolve, 0));
  expect((await trends()).get(1)?.day_open).toBe(2);
});
