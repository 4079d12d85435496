import { expect, it } from 'vitest';
import { repairBackwards } from './pages.ts';
import type { Trade } from './trade.ts';

const at = (second: number) => `2026-03-02T10:00:${String(second).padStart(2, '0')}.000000Z`;
const trade = (id: number, second: number): Trade => ({
  symbol: 'A',
  mark: { id: BigInt(id), time: at(second) },
  tick: { symbol: 'A', observedAt: at(second), seq: id, bid: null, ask: null, last: 1, size: 1 },
});
/** A gap between the trades 3 and 7, a second for each id. */
const gap = {
  symbol: 'A',
  from: at(3),
  to: at(7),
  cause: '',
  before: { observedAt: at(3), seq: 3 },
  after: { observedAt: at(7), seq: 7 },
};

async function repair(has: readonly number[], now: number) {
  const told: string[] = [];
  const archive = {
    label: 'It',
    now: () => Date.parse(at(now)),
    before: async () => has.map(id => trade(id, id)),
  };
  const request = { signal: new AbortController().signal, budget: 3 };
  for await (const item of repairBackwards(archive, gap, request)) {
    if (item.kind === 'ticks') told.push(item.ticks.map(({ seq }) => seq).join());
    if (item.kind === 'covered') told.push(`${item.from.slice(17, 19)}-${item.to.slice(17, 19)}`);
    if (item.kind === 'impossible') told.push(item.reason);
  }
  return told;
}

it('fills a gap from what the provider has', async () => {
  expect(await repair([2, 3, 4, 5, 6, 7], 9)).toEqual(['3,4,5,6,7', '03-07']);
  expect(await repair([6, 7, 8, 9], 9)).toEqual(['6,7', '06-07']);
});

it('waits for what may not be written down yet', async () => {
  await expect(repair([1, 2, 3], 9)).rejects.toThrow('It does not have the newest trades yet');
  await expect(repair([], 9)).rejects.toThrow('It does not have the newest trades yet');
});

it('does not wait for what a provider has forgotten that has later trades', async () => {
  expect(await repair([11, 12, 13], 14)).toEqual(['It has no older trades']);
});
