import { expect, it } from 'vitest';
import { createRandom } from '../../tests/support/random.ts';
import { createLineSplitter } from '../../workers/ingest/lines.ts';
import { readMessage } from '../../workers/ingest/sources/oanda/messages.ts';
import { checkTick } from '../../workers/ingest/tick.ts';
import { noiseOf } from './noise.ts';

it('the noise of a provider is whole lines, never a price that is stored, and nothing of the future', () => {
  const random = createRandom(14);
  const symbols = new Set(['EUR_USD', 'XAU_USD']);
  const reasons = new Set<string>();
  const splitter = createLineSplitter(64 * 1_024);
  for (let round = 0; round < 2_000; round++) {
    const lines = splitter.push(Buffer.from(noiseOf(random)));
    expect(lines).toHaveLength(1);
    for (const line of lines) {
      if (line.text.trim() === '' && !line.isTooLong) continue;
      const now = Date.now();
      const message = readMessage(line, symbols, now);
      if (message.kind === 'tick') {
        // One below zero the reader leaves to the database, which knows what the instrument allows.
        reasons.add(checkTick(message.tick, { now, allowsNegative: false })?.reason ?? 'stored');
        continue;
      }
      expect(['unknown', 'rejected']).toContain(message.kind);
      if (message.kind === 'rejected') reasons.add(message.rejection.reason);
    }
  }
  expect([...reasons].sort()).toEqual([
    'line_too_long',
    'malformed',
    'no_price',
    'not_tradeable',
    'number_malformed',
    'price_not_finite',
    'price_not_positive',
    'price_too_large',
    'time_before_1970',
    'time_malformed',
    'wrong_symbol',
  ]);
});
