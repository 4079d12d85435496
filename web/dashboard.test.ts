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
  const first = dashboard.watchlist();
  const second = dashboard.watchlist();
  const third = dashboard.watchlist();
  expect(asked).toHaveLength(1);
  asked[0]?.(['before the change']);
  expect(await first).toEqual(['before the change']);
  await settled();
  expect(asked).toHaveLength(2);
  asked[1]?.(['after the change']);
  expect(await second).toEqual(['after the change']);
  expect(await third).toEqual(['after the change']);
  await settled();
  const fourth = dashboard.watchlist();
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
