import type { Random } from '../../tests/support/random.ts';

/**
 * Something that a provider should not send, as one line with its end: never a price that is stored, nor of the future, which
 * would be told as a clock that is ahead.
 */
export function noiseOf(random: Random): string {
  return `${random.pick(lines)(random)}\n`;
}

/** A price that would be good, but for these fields. */
const price = (random: Random, change: object): string =>
  JSON.stringify({
    type: 'PRICE',
    time: new Date().toISOString(),
    instrument: random.pick(['EUR_USD', 'XAU_USD']),
    bids: [{ price: '1.5', liquidity: 1 }],
    asks: [{ price: '1.6', liquidity: 1 }],
    tradeable: true,
    ...change,
  });

const bid = (text: unknown) => ({ bids: [{ price: text, liquidity: 1 }] });

const lines: readonly ((random: Random) => string)[] = [
  () => '',
  () => ' \t\r',
  () => 'noise',
  () => '{"type":"NOISE"}',
  () => '{"__proto__":{"type":"PRICE"}}',
  random => '['.repeat(random.int(1, 10_000)),
  random => 'x'.repeat(random.int(66_000, 200_000)),
  random => price(random, {}).slice(0, random.int(1, 40)),
  random =>
    `${Array.from({ length: random.int(1, 40) }, () =>
      String.fromCharCode(random.pick([0, 7, 0x1b, 0x7f, 0x9b, 0x202e, 0xd800, 0xfeff])),
    ).join('')}\u001b[2J`,
  random => price(random, { instrument: 'NOBODY' }),
  random => price(random, { instrument: '\u202eDSU_RUE\u001b[2J' }),
  random => price(random, { instrument: 7 }),
  random => price(random, { time: 'now' }),
  random => price(random, { time: '1960-01-01T00:00:00Z' }),
  random => price(random, { tradeable: false }),
  random => price(random, { bids: [], asks: [] }),
  random => price(random, { bids: {} }),
  random => price(random, bid(1.5)),
  random => price(random, bid('1,5')),
  random => price(random, bid('-1')),
  random => price(random, bid('1e999')),
  random => price(random, bid('9007199254740993')),
];
