import { describe, it } from 'vitest';
import { expectGolden, goldenOf } from '../tests/golden.ts';

const { made_by, cases } = goldenOf('forecasts');

describe(made_by, () => {
  it.each(cases)('$kind $params of the window that ends after $end bars', expectGolden);
});
