import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { catalog } from '../../workers/indicators/catalog.ts';
import type { ColumnName, Columns, Kind, Params, Sum } from '../../workers/indicators/kind.ts';

interface Vectors {
  readonly made_by: string;
  readonly cases: readonly {
    readonly kind: string;
    readonly params: Params;
    readonly end: number;
    readonly outputs: readonly number[];
  }[];
}

const folder = join(import.meta.dirname, '../../workers/indicators/catalog/golden');
const read = <Content>(name: string): Content =>
  JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8')) as Content;

/** How many candles a kind reads at most. */
export function windowOf(kind: Kind, params: Params): number {
  const count = (sum: Sum): number =>
    Object.entries(sum).reduce(
      (total, [name, factor]) => total + factor * (name === 'plus' ? 1 : Number(params[name])),
      0,
    );
  return Math.ceil(Math.max(...[...kind.bars.least, ...kind.bars.window].map(count)));
}

/** Compares the kinds of a family, computed from exactly their windows, with what another implementation gave. */
export function describeVectors(family: string, kinds: readonly string[]): void {
  const { made_by, cases } = read<Vectors>(family);
  const series = read<Record<ColumnName, number[]>>('series');

  describe(made_by, () => {
    it('gave at least two sets of parameters and ten vectors of each kind', () => {
      for (const kind of kinds) {
        const own = cases.filter(each => each.kind === kind);
        expect.soft(own.length, kind).toBeGreaterThanOrEqual(10);
        const sets = new Set(own.map(({ params }) => JSON.stringify(params)));
        const isWithout = catalog.get(kind)?.parameters.length === 0;
        expect.soft(sets.size, kind).toBeGreaterThanOrEqual(isWithout ? 1 : 2);
      }
    });

    it.each(cases)('$kind $params of $end candles', ({ kind: name, params, end, outputs }) => {
      const kind = catalog.get(name);
      if (kind === undefined) throw new Error(`there is no kind ${name}`);
      const length = windowOf(kind, params);
      expect(end).toBeGreaterThanOrEqual(length);
      const window = Object.fromEntries(
        kind.columns.map(column => [
          column,
          Float64Array.from(series[column].slice(end - length, end)),
        ]),
      ) as Columns;
      const given = kind.compute(window, params)?.outputs ?? [];
      expect(given).toHaveLength(outputs.length);
      for (const [place, expected] of outputs.entries()) {
        const difference = Math.abs((given[place] ?? Number.NaN) - expected);
        expect
          .soft(difference, kind.outputs[place]?.name)
          .toBeLessThanOrEqual(1e-9 * Math.abs(expected));
      }
    });
  });
}
