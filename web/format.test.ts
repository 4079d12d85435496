import { expect, test } from 'vitest';
import * as format from './format.ts';

test('a price has the decimals of its instrument and thousands separators', () => {
  expect(format.price(64_210.5, 1)).toBe('64,210.5');
  expect(format.price(0.000_000_12, 8)).toBe('0.00000012');
  expect(format.price(-1.5, 2)).toBe('−1.50');
});

test('what does not exist is a dash, never a zero', () => {
  expect(format.price(null, 5)).toBe('—');
  expect(format.change(undefined, 5)).toBe('—');
  expect(format.value(Number.NaN)).toBe('—');
  expect(format.utc(null)).toBe('—');
});

test('a change always has its sign, with a true minus', () => {
  expect(format.change(0.0012, 4)).toBe('+0.0012');
  expect(format.change(-0.0012, 4)).toBe('−0.0012');
  expect(format.change(0, 4)).toBe('0.0000');
  expect(format.percent(-1.249)).toBe('−1.25 %');
});

test('a value of unknown scale shows four telling digits and no exponent', () => {
  expect(format.value(54.2149)).toBe('54.21');
  expect(format.value(0.000_123_456)).toBe('0.0001235');
  expect(format.value(1e-12)).toBe('0.0000000000');
  expect(format.value(123_456.7)).toBe('123,457');
  expect(format.value(0)).toBe('0');
});

test('an output is written in its own unit', () => {
  expect(format.output(1.0846, 'price', 5)).toBe('1.08460');
  expect(format.output(-0.000_12, 'price', 5)).toBe('−0.00012');
  expect(format.output(54.2, 'percent', 5)).toBe('54.20 %');
  expect(format.output(0.6321, 'probability', 5)).toBe('63.2 %');
  expect(format.output(-0.123_4, 'basis_points', 5)).toBe('−0.12 bp');
  expect(format.output(-1e-12, 'basis_points', 5)).toBe('0.00 bp');
  expect(format.output(1_234, 'count', 5)).toBe('1,234');
  expect(format.output(54.2149, 'ratio', 5)).toBe('54.21');
  expect(format.output(null, 'price', 5)).toBe('—');
  expect(format.output(Number.NaN, 'percent', 5)).toBe('—');
});

test('times of PostgreSQL and of JSON are the same time in UTC with microseconds', () => {
  expect(format.iso('2026-01-02 03:04:05.123456+00')).toBe('2026-01-02T03:04:05.123456Z');
  expect(format.iso('2026-01-02T03:04:05.123456+00:00')).toBe('2026-01-02T03:04:05.123456Z');
  expect(format.utc('2026-01-02T03:04:05+00:00')).toBe('2026-01-02 03:04:05 UTC');
  expect(format.milliseconds('2026-01-02 03:04:05.123456+00')).toBe(
    Date.parse('2026-01-02T03:04:05.123Z'),
  );
  expect(format.iso('2026-01-02T05:04:05+02:00')).toBe('2026-01-02T03:04:05.000Z');
});

test('durations use the largest unit that fits', () => {
  expect([2.9, 60, 7_200, 172_800].map(format.duration)).toEqual(['2 s', '1 min', '2 h', '2 d']);
});
