/** What the fake trades, and how it writes it. */

export interface FakePrice {
  readonly instrument: string;
  /** Null empties that ladder. */
  readonly bid: string | null;
  readonly ask: string | null;
  /** RFC 3339 with nine decimals; now when absent. */
  readonly time?: string | undefined;
  readonly tradeable?: boolean;
}

export type LoggedPrice = FakePrice & { readonly time: string };

interface Instrument {
  readonly name: string;
  readonly type: 'CURRENCY' | 'CFD' | 'METAL';
  readonly displayName: string;
  readonly pipLocation: number;
  readonly displayPrecision: number;
  readonly tradeUnitsPrecision: number;
  readonly tags: readonly { readonly type: string; readonly name: string }[];
}

const instrument = (
  name: string,
  type: Instrument['type'],
  displayPrecision: number,
  pipLocation: number,
  assetClass = type === 'METAL' ? 'COMMODITY' : 'CURRENCY',
): Instrument => {
  const displayName = name.replace('_', '/');
  const tags = [{ type: 'ASSET_CLASS', name: assetClass }];
  return { name, type, displayName, pipLocation, displayPrecision, tradeUnitsPrecision: 0, tags };
};

export const FAKE_INSTRUMENTS: readonly Instrument[] = [
  instrument('EUR_USD', 'CURRENCY', 5, -4),
  instrument('GBP_USD', 'CURRENCY', 5, -4),
  instrument('USD_JPY', 'CURRENCY', 3, -2),
  instrument('AUD_USD', 'CURRENCY', 5, -4),
  instrument('USD_CAD', 'CURRENCY', 5, -4),
  instrument('USD_CHF', 'CURRENCY', 5, -4),
  instrument('XAU_USD', 'METAL', 3, -2),
  instrument('SPX500_USD', 'CFD', 1, 0, 'INDEX'),
];

/** A price as OANDA writes it, with its line end. */
export function toLine({ instrument, bid, ask, time, tradeable = true }: FakePrice): string {
  const ladder = (price: string | null) =>
    price === null ? [] : [{ price, liquidity: 1_000_000 }];
  const message = {
    type: 'PRICE',
    time: time ?? timeNow(),
    bids: ladder(bid),
    asks: ladder(ask),
    closeoutBid: bid ?? ask,
    closeoutAsk: ask ?? bid,
    status: tradeable ? 'tradeable' : 'non-tradeable',
    tradeable,
    instrument,
  };
  return `${JSON.stringify(message)}\n`;
}

let times = 0;
/** Never the same twice. */
export const timeNow = (skewed = 0) => {
  times += 1;
  return new Date(Date.now() + skewed)
    .toISOString()
    .replace('Z', `${String(times % 1_000_000).padStart(6, '0')}Z`);
};
