import { expect, test } from 'vitest';
import type { Sql } from '../db/runtime/database.ts';
import { createDashboard } from './dashboard.ts';

/** A database whose answers a test gives, one after the other. */
function createFakeSql() {
  const asked: ((answer: unknown) => void)[] = [];
  const parameters: unknown[][] = [];
  const sql = (_text: unknown, ...values: unknown[]) =>
    new Promise(resolve => {
      parameters.push(values);
      asked.push(answer => resolve([{ answer }]));
    });
  return { sql: sql as unknown as Sql, asked, parameters };
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

test('the watchlist is asked with the trends, which are kept for a while', async () => {
  const { sql, asked, parameters } = createFakeSql();
  const dashboard = createDashboard(sql);
  const first = dashboard.watchlist();
  expect(asked).toHaveLength(1);
  asked[0]?.('the trends');
  await settled();
  expect(parameters[1]).toEqual(['the trends']);
  asked[1]?.(['first']);
  expect(await first).toEqual(['first']);
  await settled();
  const second = dashboard.watchlist();
  await settled();
  expect(asked).toHaveLength(3);
  expect(parameters[2]).toEqual(['the trends']);
  asked[2]?.(['second']);
  expect(await second).toEqual(['second']);
});
