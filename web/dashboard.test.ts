import { expect, test } from 'vitest';
import type { Sql } from '../db/runtime/database.ts';
import { createDashboard } from './dashboard.ts';

/** A database whose answers a test gives, one after the other. */
function createFakeSql() {
  const asked: ((answer: unknown) => void)[] = [];
  const sql = () =>
    new Promise(resolve => {
      asked.push(answer => resolve([{ answer }]));
    });
  return { sql: sql as unknown as Sql, asked };
}

const settled = () => new Promise(resolve => setTimeout(resolve, 0));

test('those who ask while an answer is under way share the next one, never the running one', async () => {
  const { sql, asked } = createFakeSql();
  const dashboard = createDashboard(sql);
  const first = dashboard.status();
  const second = dashboard.status();
  const third = dashboard.status();
  expect(asked).toHaveLength(1);
  asked[0]?.(['before the change']);
  expect(await first).toEqual(['before the change']);
  await settled();
  expect(asked).toHaveLength(2);
  asked[1]?.(['after the change']);
  expect(await second).toEqual(['after the change']);
  expect(await third).toEqual(['after the change']);
  await settled();
  const fourth = dashboard.status();
  expect(asked).toHaveLength(3);
  asked[2]?.([]);
  expect(await fourth).toEqual([]);
});

test('different questions do not wait for each other', () => {
  const { sql, asked } = createFakeSql();
  const dashboard = createDashboard(sql);
  void dashboard.indicator(1);
  void dashboard.indicator(2);
  void dashboard.status();
  expect(asked).toHaveLength(3);
});

test('the watchlist joins quotes with trends, which are kept for a while', async () => {
  const { sql, asked } = createFakeSql();
  const dashboard = createDashboard(sql);
  const quote = (price: number, observed_at: string) => [
    { instrument_id: 1, symbol: 'A', price, observed_at },
  ];
  const first = dashboard.watchlist();
  asked[0]?.([
    { instrument_id: 1, day_open: 100, opened_at: '2026-01-05T00:00:00+00:00', closes: [99, 101] },
  ]);
  asked[1]?.(quote(110, '2026-01-05T10:00:00+00:00'));
  expect((await first)[0]).toMatchObject({ change: 10, change_percent: 10, sparkline: [99, 101] });
  await settled();
  const second = dashboard.watchlist();
  await settled();
  expect(asked).toHaveLength(3);
  asked[2]?.(quote(110, '2026-01-06T00:00:01+00:00'));
  expect((await second)[0]).toMatchObject({ change: null, day_open: null });
});
