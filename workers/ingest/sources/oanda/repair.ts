import { Hiccup } from '../../connection.ts';
import type { Gap, RepairItem, RepairRequest } from '../../source.ts';
import { epochMicroseconds, fromEpochMicroseconds } from '../../time.ts';
import type { Client } from './client.ts';
import { readCandles } from './messages.ts';

const SECOND = 1_000_000;
/** OANDA's finest candles, in microseconds, and as many as it gives at once: 5,000, with those at both ends. */
const WIDTH = 5 * SECOND;
const PAGE = 4_999 * WIDTH;
/** So long after its end a candle may not be told yet; and OANDA refuses a time that is ahead of its clock. */
const SETTLING = 5 * SECOND;

/**
 * Fills a gap from OANDA's candles of 5 seconds, the newest page first: it has no ticks of the past. A candle is there
 * if a price came in its time, and its `volume` counts prices; bid and ask have each their own first, last and extreme
 * ones. Read in "Instrument Endpoints" and "Instrument Definitions" of developer.oanda.com/rest-live-v20 on 2026-11-30;
 * that more than 5,000 between `from` and `to` are refused ("Maximum value for 'count' exceeded"), in
 * happydasch/btoandav20 #28.
 *
 * A time without candles had no price, as a weekend has none. Only where candles of a minute show that there were some is
 * it said that OANDA keeps those of 5 seconds no more.
 *
 * @throws {Hiccup} when the newest candles are not complete yet, after what is before them was told: the last one may
 *   stay so until the next price comes.
 */
export async function* repairFromCandles(
  client: Client,
  gap: Gap,
  { signal, budget }: RepairRequest,
): AsyncGenerator<RepairItem> {
  const [gapFrom, gapTo] = [epochMicroseconds(gap.from), epochMicroseconds(gap.to)];
  const first = floor(gapFrom, WIDTH);
  const settled = floor(client.now() * 1_000 - SETTLING, WIDTH);
  let end = Math.min(-floor(-gapTo, WIDTH), settled);
  let isForming = end < gapTo;

  async function ask(granularity: 'S5' | 'M1', from: number, to: number) {
    const [begin, stop] = [fromEpochMicroseconds(from), fromEpochMicroseconds(to)];
    const list = readCandles(await client.candles(gap.symbol, granularity, begin, stop, signal));
    if (list === null) throw new Hiccup('the answer is not a list of candles');
    const { candles, forming } = list;
    return {
      candles: candles.filter(candle => candle.from >= begin && candle.from < stop),
      forming: forming !== null && forming < stop ? forming : null,
    };
  }

  for (let asked = 0; asked < budget && end > first && !signal.aborted; asked++) {
    const from = Math.max(first, end - PAGE);
    const { candles, forming } = await ask('S5', from, end);
    if (forming !== null) {
      isForming = true;
      end = Math.max(from, epochMicroseconds(forming));
    }
    if (candles.length > 0) yield { kind: 'candles', widthSeconds: WIDTH / SECOND, candles };
    else if (forming === null && (await hasMinutes(from, end))) {
      if (isForming) break;
      yield { kind: 'impossible', reason: 'OANDA has no candles of 5 s as old as that' };
      return;
    }
    const [coveredFrom, coveredTo] = [Math.max(from, gapFrom), Math.min(end, gapTo)];
    if (coveredFrom < coveredTo) {
      yield {
        kind: 'covered',
        from: fromEpochMicroseconds(coveredFrom),
        to: fromEpochMicroseconds(coveredTo),
        grade: 'candles',
      };
    }
    end = from;
  }
  if (isForming) throw new Hiccup('OANDA has not completed the newest candles yet');

  /** Were there prices after all? */
  async function hasMinutes(from: number, to: number): Promise<boolean> {
    const minute = 60 * SECOND;
    const [begin, stop] = [-floor(-from, minute), floor(to, minute)];
    return begin < stop && (await ask('M1', begin, stop)).candles.length > 0;
  }
}

const floor = (time: number, width: number) => Math.floor(time / width) * width;
