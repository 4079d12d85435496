import { expect, it } from 'vitest';
import { parseExactly } from './json.ts';

it('keeps each number as it is written, beyond 2^53 and with all its digits', () => {
  const text =
    '{"id":9223372036854775807,"price":0.100000000000000000001,"small":8.02e-6,"list":[1,-0,"2"],"no":null,"yes":true}';
  expect(parseExactly(text)).toEqual({
    id: '9223372036854775807',
    price: '0.100000000000000000001',
    small: '8.02e-6',
    list: ['1', '-0', '2'],
    no: null,
    yes: true,
  });
});

it('takes what is no JSON for nothing', () => {
  for (const text of ['', '{', '{"a":NaN}', 'hello']) expect(parseExactly(text)).toBeUndefined();
});
