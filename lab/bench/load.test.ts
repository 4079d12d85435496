import { expect, it } from 'vitest';
import { numberOf, priceOf } from './load.ts';

it('A price of the load is known by its number, as it is stored and as it is told', () => {
  for (let number = 1; number < 2_000_000; number += 997) {
    const price = priceOf(number);
    expect(numberOf(price)).toBe(number);
    // feed.without_noise() leaves 15 significant digits.
    expect(numberOf(Number(price.toPrecision(15)))).toBe(number);
  }
  expect(numberOf(0.999_999)).toBeLessThan(0);
  expect(numberOf(0.9)).toBeLessThan(0);
});
