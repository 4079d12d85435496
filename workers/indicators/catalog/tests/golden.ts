import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { catalog } from '../../catalog.ts';
import type { ColumnName, Columns, Kind, Params } from '../../kind.ts';

/** What another implementation gives for the window that ends after so many bars of the series. */
export interface GoldenCase {
  readonly kind: string;
  readonly params: Params;
  readonly end: number;
  /** Null: not compared, as another implementation finds it less exactly. */
  readonly outputs: readonly (number | null)[];
}

export interface Golden {
  /** Which implementation. */
  readonly made_by: string;
  readonly cases: readonly GoldenCase[];
}

const read = (name: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, `../golden/${name}.json`), 'utf8'));

/** The made-up bars that all golden values are of. */
export const series: Readonly<Record<Exclude<ColumnName, 'average'>, readonly number[]>> =
  read('series');

export const goldenOf = (family: string): Golden => read(family);

/** How many candles a kind reads at most. */
export function windowOf(kind: Kind, params: Params): number {
  const lengths = [...kind.bars.least, ...kind.bars.window].map(sum =>
    Object.entries(sum).reduce(
      (length, [each, times]) => length + times * (each === 'plus' ? 1 : Number(params[each])),
      0,
    ),
  );
  return Math.ceil(Math.max(...lengths));
}

/** Fails unless the kind gives, of exactly its full window, what the other implementation does, to 1e-9. */
export function expectGolden({ kind: name, params, end, outputs }: GoldenCase): void {
  const kind = catalog.get(name);
  if (kind === undefined) throw new Error(`there is no kind ${name}`);
  const length = windowOf(kind, params);
  expect(length).toBeLessThanOrEqual(end);
  const columns = Object.entries(series).map(
    ([column, values]) => [column, Float64Array.from(values.slice(end - length, end))] as const,
  );
  const reading = kind.compute(Object.fromEntries(columns) as unknown as Columns, params);
  expect(reading?.outputs).toHaveLength(outputs.length);
  for (const [place, expected] of outputs.entries()) {
    if (expected === null) continue;
    const difference = Math.abs((reading?.outputs[place] ?? Number.NaN) - expected);
    expect(difference).toBeLessThanOrEqual(1e-9 * Math.abs(expected));
  }
}
