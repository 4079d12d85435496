import { describe, expect, it } from 'vitest';
import { catalog } from '../catalog.ts';
import { differenceOf, families, goldenOf } from './tests/golden.ts';

describe.each([...families.keys()])('The golden vectors of %s', family => {
  const { cases } = goldenOf(family);

  it.each(cases)('hold for $kind $params of the window that ends after $end bars', each => {
    expect(differenceOf(each)).toBeLessThanOrEqual(1e-9);
  });

  it('are at least ten of each kind, of at least two sets of parameters', () => {
    for (const { kind, parameters } of families.get(family) ?? []) {
      const own = cases.filter(each => each.kind === kind);
      expect.soft(own.length, kind).toBeGreaterThanOrEqual(10);
      const sets = new Set(own.map(({ params }) => JSON.stringify(params)));
      expect.soft(sets.size, kind).toBeGreaterThanOrEqual(parameters.length === 0 ? 1 : 2);
    }
  });
});

describe('The kinds', () => {
  it('are each in a file of that name, in the folder of one family', () => {
    const names = [...families.values()].flat().map(({ kind }) => kind);
    expect(names.toSorted()).toEqual([...catalog.keys()].toSorted());
  });
});
