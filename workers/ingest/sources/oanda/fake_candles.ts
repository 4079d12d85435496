import type { LoggedPrice } from './fake_prices.ts';

/** Seconds that a candle lasts. */
export const GRANULARITIES: Readonly<Record<string, number>> = { S5: 5, M1: 60 };

interface FakeCandle {
  readonly time: string;
  readonly complete: boolean;
  readonly volume: number;
  readonly bid?: object;
  readonly ask?: object;
}

/**
 * The candles of what was sent, none of a time without prices. The last one is complete only when its time is over and the next price has come; prices
 * are as they were sent.
 */
export function candlesOf(
  log: readonly LoggedPrice[],
  now: string,
  asked: { width: number; sides: string; from: string; to: string; count: number },
): FakeCandle[] {
  const startOf = (time: string) => {
    const at = Math.floor(Date.parse(time) / 1_000 / asked.width) * asked.width * 1_000;
    return new Date(at).toISOString().replace('Z', '000000Z');
  };
  const ohlc = (prices: readonly (string | null)[]) => {
    const own = prices.filter(price => price !== null);
    const sorted = own.toSorted((one, other) => Number(one) - Number(other));
    return own.length === 0
      ? undefined
      : { o: own[0], h: sorted.at(-1), l: sorted[0], c: own.at(-1) };
  };
  const buckets = [...Map.groupBy(log, ({ time }) => startOf(time))];
  const candles = buckets.flatMap(([time, prices], index): FakeCandle[] => {
    const isOver = Date.parse(time) + asked.width * 1_000 <= Date.parse(now);
    const [bid, ask] = [ohlc(prices.map(each => each.bid)), ohlc(prices.map(each => each.ask))];
    if (bid === undefined && ask === undefined) return [];
    return [
      {
        time,
        complete: isOver && index < buckets.length - 1,
        volume: prices.length,
        ...(asked.sides.includes('B') && bid && { bid }),
        ...(asked.sides.includes('A') && ask && { ask }),
      },
    ];
  });
  const first = asked.from === '' ? '' : startOf(asked.from);
  const found = candles.filter(
    ({ time }) => time >= first && Date.parse(time) < Date.parse(asked.to),
  );
  return asked.from === '' ? found.slice(-asked.count) : found;
}
