import { expect, test } from 'vitest';
import { createTrends } from './trends.ts';

test('what is known is given at once while it is read again', async () => {
  let time = 0;
  let answer = 'first';
  let reads = 0;
  const trends = createTrends(
    async () => {
      reads += 1;
      return answer;
    },
    { keepMs: 100, now: () => time },
  );
  expect(await trends()).toBe('first');
  answer = 'second';
  time = 100;
  expect(await trends()).toBe('first');
  expect(reads).toBe(1);
  time = 101;
  expect(await trends()).toBe('first');
  expect(await trends()).toBe('second');
  expect(reads).toBe(2);
});

test('a failed reading leaves what is known and is tried again', async () => {
  let time = 0;
  let isDown = false;
  const trends = createTrends(
    async () => {
      if (isDown) throw new Error('away');
      return String(time);
    },
    { keepMs: 0, now: () => time },
  );
  await trends();
  isDown = true;
  time = 1;
  expect(await trends()).toBe('0');
  await new Promise(resolve => setTimeout(resolve, 0));
  isDown = false;
  time = 2;
  await trends();
  await new Promise(resolve => setTimeout(resolve, 0));
  expect(await trends()).toBe('2');
});
