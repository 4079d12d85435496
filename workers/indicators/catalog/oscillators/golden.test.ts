import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalog } from '../../catalog.ts';
import type { ColumnName, Columns, Params, Sum } from '../../kind.ts';

interface Case {
  readonly kind: string;
  readonly params: Params;
  /** So many bars of the series were given; the window ends with the last of them. */
  readonly end: number;
  readonly outputs: readonly number[];
}

const read = (file: string) =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../golden', file), 'utf8'));
const series: Record<ColumnName, number[]> = read('series.json');
const { cases }: { cases: Case[] } = read('oscillators.json');

const lengthOf = (sum: Sum, params: Params): number =>
  Object.entries(sum).reduce(
    (total, [name, factor]) => total + factor * (name === 'plus' ? 1 : Number(params[name])),
    0,
  );

describe('what another implementation makes of the whole series', () => {
  it('is there for every kind of this folder, at least ten times', () => {
    const kinds = readdirSync(import.meta.dirname)
      .map(file => file.replace('.ts', ''))
      .filter(name => catalog.has(name));
    expect(kinds.length).toBeGreaterThan(12);
    for (const kind of kinds) {
      expect(cases.filter(each => each.kind === kind).length, kind).toBeGreaterThanOrEqual(10);
    }
  });

  it.each(cases)('is what $kind $params gives of its window that ends at $end', each => {
    const kind = catalog.get(each.kind);
    if (kind === undefined) throw new Error(`no kind ${each.kind}`);
    const window = Math.max(...kind.bars.window.map(sum => lengthOf(sum, each.params)));
    expect(window).toBeLessThan(each.end);
    const columns: Partial<Record<ColumnName, Float64Array>> = {};
    for (const name of kind.columns) {
      columns[name] = Float64Array.from(series[name].slice(each.end - window, each.end));
    }
    const reading = kind.compute(columns as Columns, each.params);
    expect(reading?.outputs).toHaveLength(each.outputs.length);
    for (const [place, expected] of each.outputs.entries()) {
      const distance = Math.abs((reading?.outputs[place] ?? Number.NaN) - expected);
      expect(distance).toBeLessThanOrEqual(1e-9 * Math.abs(expected));
    }
  });
});
