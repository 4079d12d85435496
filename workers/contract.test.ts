import { expect, it } from 'vitest';
import { z } from 'zod';
import { type CandleDelta, decodeMessage, encodeMessages, messageSchema } from './messages.ts';

// Other programs read these files: `npx vitest run -u workers/contract.test.ts` writes them anew.

it('publishes the message contract as a JSON Schema', async () => {
  const schema = z.toJSONSchema(messageSchema, { io: 'input' });
  await expect(`${JSON.stringify(schema, null, 2)}\n`).toMatchFileSnapshot(
    '../docs/message.schema.json',
  );
});

it('publishes an example that the contract accepts', async () => {
  const candle: CandleDelta = {
    symbol: 'EUR_USD',
    timeframe: '1m',
    side: 'mid',
    bucket: '2026-01-05T10:00:00Z',
    open: 1.17215,
    high: 1.17231,
    low: 1.17209,
    close: 1.17228,
    average: 1.1722,
    sum: 70.332,
    volume: null,
    tick_count: 60,
    is_closed: true,
    revision: 4711,
  };
  const [message] = encodeMessages('my-service', [candle], '2026-01-05T10:01:01.052Z');
  const body = message?.body ?? '';
  expect(decodeMessage(body).candles).toEqual([candle]);
  await expect(`${JSON.stringify(JSON.parse(body), null, 2)}\n`).toMatchFileSnapshot(
    '../docs/message.example.json',
  );
});
