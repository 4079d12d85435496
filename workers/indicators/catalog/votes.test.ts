import { describe, expect, it } from 'vitest';
import { votes } from '../../../tests/support/votes.ts';
import { catalog } from '../catalog.ts';
import type { Columns, Kind, Params } from '../kind.ts';
import { series, windowOf } from './tests/golden.ts';

const kindOf = (name: string): Kind => {
  const kind = catalog.get(name);
  if (kind === undefined) throw new Error(`there is no kind ${name}`);
  return kind;
};

const columns = Object.entries(series).map(
  ([name, values]) => [name, Float64Array.from(values)] as const,
);

/** Of the window that ends after so many bars. */
function readingAt(kind: Kind, params: Params, end: number) {
  const from = Math.max(0, end - windowOf(kind, params));
  const window = Object.fromEntries(columns.map(([name, all]) => [name, all.subarray(from, end)]));
  return kind.compute(window as unknown as Columns, params);
}

const ends = Array.from({ length: 600 }, (_, index) => 400 + index);
const outputsOf = (kind: Kind, params: Params) =>
  [398, 399, ...ends].map(end => readingAt(kind, params, end));

const trends = outputsOf(kindOf('ema'), { period: 50 });

describe('The votes of a rating', () => {
  it('are 15 moving averages and 11 oscillators', () => {
    const sizes = Map.groupBy(votes, vote => vote.group);
    expect([...sizes].map(([group, all]) => [group, all.length])).toEqual([
      ['moving averages', 15],
      ['oscillators', 11],
    ]);
  });

  it.each(votes.map(vote => [vote.kind, vote.params, vote] as const))(
    'are the verdicts of %s %j',
    (name, params, { isBuy, isSell }) => {
      const readings = outputsOf(kindOf(name), params);
      const given = readings.slice(2).map(reading => reading?.verdict);
      const outputsAt = (place: number) => readings[place]?.outputs ?? [];
      const expected = ends.map((end, place) => {
        const bar = {
          now: outputsAt(place + 2),
          before: outputsAt(place + 1),
          earlier: outputsAt(place),
          close: series.close[end - 1] ?? Number.NaN,
          trend: trends[place + 2]?.outputs[0] ?? Number.NaN,
        };
        return isBuy(bar) ? 1 : isSell(bar) ? -1 : 0;
      });
      expect(given).toEqual(expected);
      // Otherwise it proves little.
      expect(new Set(given)).toContain(1);
      expect(new Set(given)).toContain(-1);
    },
  );
});
