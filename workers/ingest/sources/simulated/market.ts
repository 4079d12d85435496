import { type Instrument, SourceError, type Tick } from '../../source.ts';
import { quote } from '../../text.ts';
import { fromEpochMicroseconds } from '../../time.ts';

/** Time is divided into slots of this length, in microseconds; three of four have a tick of a symbol, the others none. */
export const SLOT_MICROSECONDS = 1_500_000;
/**
 * The rule that keeps a fill cheap: of the slots that begin more than this long before now, only those
 * whose number (microseconds since 1970 / {@link SLOT_MICROSECONDS}) is a multiple of
 * {@link THINNED_TO_EVERY} are sent. Those always have a tick, so each minute has two. A thinned slot has the
 * very tick that it would have in a dense run, so both together store nothing twice. All trades are in kept
 * slots, so that as much is traded in a thinned hour as in another one. Ticks are fewer there: what counts them
 * by default looks back no further than the dense stretch.
 */
export const DENSE_MICROSECONDS = 6_600_000_000;
export const THINNED_TO_EVERY = 20;

const GROUP_SIZE = 2_000;

const DAY_SECONDS = 86_400;
const OCTAVES = 20;
const LONGEST_PERIOD_SECONDS = 16 * DAY_SECONDS;
const ROUGHNESS = 0.55;
/** Makes the standard deviation of a day's move about a market's volatility; measured. */
const CALIBRATION = 0.8;

interface Market extends Instrument {
  readonly basePrice: number;
  /** Usual width between bid and ask, in price. */
  readonly spread: number;
  /** Typical move in a day, as a share of the price. */
  readonly volatility: number;
  /** What is traded at once, usually. */
  readonly tradeSize: number;
}

export const MARKETS: readonly Market[] = [
  market('EUR_USD', 'Euro / US dollar', 5, 1.165, 0.00013, 0.0045, 400_000),
  market('GBP_USD', 'British pound / US dollar', 5, 1.342, 0.00018, 0.005, 250_000),
  market('USD_JPY', 'US dollar / Japanese yen', 3, 151.2, 0.015, 0.006, 300_000),
  market('AUD_USD', 'Australian dollar / US dollar', 5, 0.6545, 0.00015, 0.0065, 200_000),
  market('XAU_USD', 'Gold / US dollar', 3, 3980, 0.35, 0.011, 40),
  market('BTC_USD', 'Bitcoin / US dollar', 1, 98_500, 22, 0.025, 0.6),
  market('ETH_USD', 'Ether / US dollar', 2, 3420, 1.4, 0.034, 9),
  market('SPX500_USD', 'US 500 index / US dollar', 1, 6720, 0.5, 0.01, 25),
];

function market(
  name: string,
  title: string,
  pricePrecision: number,
  basePrice: number,
  spread: number,
  volatility: number,
  tradeSize: number,
): Market {
  const description = `${title} (simulated)`;
  const symbol = `${name}.SIM`;
  return { symbol, description, pricePrecision, basePrice, spread, volatility, tradeSize };
}

/**
 * Every tick of the symbols with from <= observed_at < to, in time order; times in microseconds since
 * 1970. Slots that begin before `denseFrom` are thinned, see {@link DENSE_MICROSECONDS}.
 * @throws {SourceError} for a symbol that the simulated market does not have.
 */
export function simulatedTicks(
  seed: number,
  symbols: readonly string[],
  from: number,
  to: number,
  denseFrom = Number.NEGATIVE_INFINITY,
): Tick[] {
  return [...groupsOfTicks(createQuoters(seed, symbols), from, to, denseFrom)].flat();
}

export function* groupsOfTicks(
  quoters: readonly Quoter[],
  from: number,
  to: number,
  denseFrom: number,
) {
  let group: Tick[] = [];
  let slot = keptSlot(slotOf(from), denseFrom);
  for (; slot * SLOT_MICROSECONDS < to; slot = keptSlot(slot + 1, denseFrom)) {
    const ticks = ticksInSlot(quoters, slot, from, to);
    if (group.length + ticks.length > GROUP_SIZE) {
      yield group;
      group = [];
    }
    group.push(...ticks);
  }
  if (group.length > 0) yield group;
}

const isKept = (slot: number) => slot % THINNED_TO_EVERY === 0;

/** This slot, or the first after it that the thinning keeps. */
function keptSlot(slot: number, denseFrom: number): number {
  const firstDense = Math.ceil(denseFrom / SLOT_MICROSECONDS);
  const nextKept = Math.ceil(slot / THINNED_TO_EVERY) * THINNED_TO_EVERY;
  return Math.min(nextKept, Math.max(slot, firstDense));
}

function ticksInSlot(quoters: readonly Quoter[], slot: number, from: number, to: number): Tick[] {
  return quoters
    .map(quoter => ({ at: quoter.timeIn(slot), quoter }))
    .filter(({ at }) => at >= from && at < to)
    .sort((a, b) => a.at - b.at)
    .map(({ at, quoter }) => quoter.tickAt(at));
}

export const slotOf = (microseconds: number) => Math.floor(microseconds / SLOT_MICROSECONDS);

export interface Quoter {
  /** When the slot's tick happens; infinite when the slot has none. */
  readonly timeIn: (slot: number) => number;
  readonly tickAt: (microseconds: number) => Tick;
}

export function createQuoters(seed: number, symbols: readonly string[]): Quoter[] {
  if (symbols.length === 0) throw new SourceError('the simulated market was asked for no symbol');
  return findMarkets([...new Set(symbols)]).map(found => createQuoter(seed, found));
}

export function findMarkets(symbols: readonly string[]): Market[] {
  return symbols.map(symbol => {
    const found = MARKETS.find(candidate => candidate.symbol === symbol);
    if (found !== undefined) return found;
    const offered = MARKETS.map(candidate => candidate.symbol).join(', ');
    throw new SourceError(`the simulated market has no ${quote(symbol)}; it has ${offered}`);
  });
}

function createQuoter(seed: number, { symbol, ...of }: Market): Quoter {
  const noise = createNoise(`${seed}/${symbol}/price`, of.volatility);
  const timing = hashText(`${seed}/${symbol}/time`);
  const width = hashText(`${seed}/${symbol}/spread`);
  const trading = hashText(`${seed}/${symbol}/trade`);
  const scale = 10 ** of.pricePrecision;
  return {
    timeIn: slot => {
      const chance = hash(timing, slot);
      if (chance % 4 === 0 && !isKept(slot)) return Number.POSITIVE_INFINITY;
      return slot * SLOT_MICROSECONDS + ((chance >>> 2) % SLOT_MICROSECONDS);
    },
    tickAt: at => {
      const mid = of.basePrice * Math.exp(noise(at));
      const slot = slotOf(at);
      const half = of.spread * (0.35 + 0.3 * fraction(hash(width, slot)));
      const bid = Math.floor((mid - half) * scale);
      const ask = Math.max(Math.ceil((mid + half) * scale), bid + 1);
      const trade = isKept(slot) ? hash(trading, slot) : undefined;
      return {
        symbol,
        observedAt: fromEpochMicroseconds(at),
        seq: 0,
        bid: bid / scale,
        ask: ask / scale,
        last: trade === undefined ? null : (trade % 2 === 0 ? bid : ask) / scale,
        // From a quarter of the usual size to four times it.
        size: trade === undefined ? null : rounded(of.tradeSize * 16 ** (fraction(trade) - 0.5)),
      };
    },
  };
}

/**
 * Fractal value noise, in log price. Amplitudes grow with the 0.55th power of the period, a little
 * faster than a random walk's, so that moves persist long enough to be called trends.
 */
function createNoise(name: string, volatility: number): (microseconds: number) => number {
  const octaves = Array.from({ length: OCTAVES }, (_, index) => {
    const seconds = LONGEST_PERIOD_SECONDS / 2 ** index;
    const seed = hashText(`${name}/${index}`);
    const amplitude = CALIBRATION * volatility * (seconds / DAY_SECONDS) ** ROUGHNESS;
    return { seed, shift: fraction(hash(seed, -1)), period: seconds * 1_000_000, amplitude };
  });
  return microseconds => {
    let sum = 0;
    for (const { seed, shift, period, amplitude } of octaves) {
      sum += amplitude * valueNoise(seed, microseconds / period + shift);
    }
    return sum;
  };
}

/** Random values from -1 to 1 at the whole numbers, joined smoothly. */
function valueNoise(seed: number, x: number): number {
  const index = Math.floor(x);
  const part = x - index;
  const left = fraction(hash(seed, index)) * 2 - 1;
  const right = fraction(hash(seed, index + 1)) * 2 - 1;
  return left + (right - left) * part * part * (3 - 2 * part);
}

/** As people write sizes: three digits. */
const rounded = (size: number) => Number(size.toPrecision(3));

/** An unsigned 32-bit number out of two (MurmurHash3's finalizer). */
function hash(seed: number, value: number): number {
  let bits = seed ^ Math.imul(value, 0x9e3779b1);
  bits = Math.imul(bits ^ (bits >>> 16), 0x85ebca6b);
  bits = Math.imul(bits ^ (bits >>> 13), 0xc2b2ae35);
  return (bits ^ (bits >>> 16)) >>> 0;
}

/** A number from 0 to 1 that is always the same for a name and a place, and looks random. */
export const chance = (name: string, place: number) => fraction(hash(hashText(name), place));

function hashText(text: string): number {
  let bits = text.length;
  for (let index = 0; index < text.length; index++) bits = hash(bits, text.charCodeAt(index));
  return bits;
}

const fraction = (bits: number) => bits / 2 ** 32;
