import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
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

const folder = join(import.meta.dirname, '..');
const read = (name: string) =>
  JSON.parse(readFileSync(join(folder, `golden/${name}.json`), 'utf8'));

const bars: Readonly<
  Record<Exclude<ColumnName, 'average' | 'start' | 'typical'>, readonly number[]>
> = read('series');

/** The made-up bars that all golden values are of, one each five minutes from a midnight on. */
export const series = {
  ...bars,
  start: bars.close.map((_, bar) => 1_767_225_600 + 300 * bar),
  typical: bars.close.map(
    (close, bar) => ((bars.high[bar] ?? Number.NaN) + (bars.low[bar] ?? Number.NaN) + close) / 3,
  ),
};

/** The kinds of each family, which is the folder of their files. */
export const families: ReadonlyMap<string, readonly Kind[]> = new Map(
  readdirSync(folder, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .map(({ name }): [string, Kind[]] => [
      name,
      [...catalog.values()].filter(({ kind }) => existsSync(join(folder, name, `${kind}.ts`))),
    ])
    .filter(([, kinds]) => kinds.length > 0)
    .toSorted(([one], [other]) => (one < other ? -1 : 1)),
);

export const goldenOf = (family: string): Golden => read(family);

/** How many candles a kind reads at most. */
export function windowOf(kind: Kind, params: Params): number {
  return Math.max(longest(kind.bars.least, params), longest(kind.bars.window, params));
}

/** The largest of the sums. */
export function longest(sums: Kind['bars']['least'], params: Params): number {
  const lengths = sums.map(sum =>
    Object.entries(sum).reduce(
      (length, [each, times]) => length + times * (each === 'plus' ? 1 : Number(params[each])),
      0,
    ),
  );
  return Math.ceil(Math.max(...lengths));
}

/**
 * By what part of it an output of a kind, of exactly its full window, is at most away from that of the other
 * implementation.
 */
export function differenceOf({ kind: name, params, end, outputs }: GoldenCase): number {
  const kind = catalog.get(name);
  if (kind === undefined) throw new Error(`there is no kind ${name}`);
  const length = windowOf(kind, params);
  if (length > end) throw new Error(`${name} needs ${length} bars, and is given ${end}`);
  const columns = Object.entries(series).map(
    ([column, values]) => [column, Float64Array.from(values.slice(end - length, end))] as const,
  );
  const reading = kind.compute(Object.fromEntries(columns) as unknown as Columns, params);
  if (reading?.outputs.length !== outputs.length) throw new Error(`${name} has other outputs`);
  const differences = outputs.map((expected, place) => {
    const given = reading.outputs[place] ?? Number.NaN;
    if (expected === null || given === expected) return 0;
    return Math.abs((given - expected) / expected);
  });
  return Math.max(...differences);
}
