import { describe, expect, it } from 'vitest';
import { catalog } from '../../catalog.ts';
import type { Columns, Params } from '../../kind.ts';
import series from '../golden/series.json' with { type: 'json' };
import golden from '../golden/volatility.json' with { type: 'json' };

/** Candles of the full window, as the kind declares it. */
function windowOf(name: string, params: Params): number {
  const sums = catalog.get(name)?.bars.window ?? [];
  const lengths = sums.map(sum =>
    Object.entries(sum).reduce(
      (length, [each, times]) => length + times * (each === 'plus' ? 1 : Number(params[each])),
      0,
    ),
  );
  return Math.max(...lengths);
}

describe(golden.made_by, () => {
  const cases = golden.cases.map(
    each => [each.kind, each.params as Params, each.end, each.outputs] as const,
  );

  it.each(cases)('%s %j of the window that ends after %d bars', (name, params, end, outputs) => {
    const length = windowOf(name, params);
    expect(length).toBeLessThan(end);
    const columns: Record<string, Float64Array> = {};
    for (const [column, values] of Object.entries(series)) {
      columns[column] = Float64Array.from(values.slice(end - length, end));
    }
    const reading = catalog.get(name)?.compute(columns as Columns, params);
    expect(reading?.outputs).toHaveLength(outputs.length);
    for (const [place, expected] of outputs.entries()) {
      const given = reading?.outputs[place] ?? Number.NaN;
      expect(Math.abs(given - expected)).toBeLessThanOrEqual(1e-9 * Math.abs(expected));
    }
  });
});
