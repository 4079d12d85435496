import type { z } from 'zod';
import { type Instrument, type Skipped, SourceError } from './source.ts';
import { oneLine, quote } from './text.ts';
import { isSymbol } from './tick.ts';

export interface InstrumentList {
  readonly instruments: readonly Instrument[];
  readonly skipped: readonly Skipped[];
}

const MOST_INSTRUMENTS = 10_000;
/** What `feed.instruments` takes. */
const LONGEST_DESCRIPTION = 200;
const HIGHEST_PRECISION = 12;

/**
 * The instruments in a provider's list. An entry that cannot be used is left out and told, and harms no other;
 * a description that cannot be shown as it is, is made fit for it.
 *
 * @param schema Makes an entry an instrument of ours.
 */
export function readInstrumentList(
  entries: readonly unknown[],
  schema: z.ZodType<Instrument>,
): InstrumentList {
  const instruments = new Map<string, Instrument>();
  const skipped: Skipped[] = [];
  for (const entry of entries) {
    const read = readEntry(entry, schema);
    if ('why' in read) skipped.push(read);
    else if (instruments.has(read.symbol)) skipped.push(skip(read.symbol, 'it is listed twice'));
    else if (instruments.size === MOST_INSTRUMENTS) {
      skipped.push(skip(read.symbol, `it comes after ${MOST_INSTRUMENTS} others`));
    } else instruments.set(read.symbol, read);
  }
  return { instruments: [...instruments.values()], skipped };
}

function readEntry(entry: unknown, schema: z.ZodType<Instrument>): Instrument | Skipped {
  const read = schema.safeParse(entry);
  if (!read.success) {
    const [issue] = read.error.issues;
    const field = issue?.path.join('.') ?? '';
    return skip(
      nameIn(entry),
      oneLine(`${field === '' ? '' : `${field}: `}${issue?.message}`, 150),
    );
  }
  const { symbol, description, pricePrecision, calendar } = read.data;
  if (!isSymbol(symbol)) {
    return skip(symbol, 'a symbol is 1 to 32 of A-Z 0-9 . _ : - and begins with a letter or digit');
  }
  if (!Number.isInteger(pricePrecision) || pricePrecision < 0) {
    return skip(symbol, `its precision is ${quote(pricePrecision)}`);
  }
  return {
    symbol,
    description: oneLine(description, LONGEST_DESCRIPTION),
    pricePrecision: Math.min(pricePrecision, HIGHEST_PRECISION),
    ...(calendar !== undefined && { calendar }),
  };
}

export interface PickOptions {
  /** As a sentence calls the provider. */
  readonly label: string;
  readonly onSkipped?: ((skipped: readonly Skipped[]) => void) | undefined;
}

/**
 * The instruments that are asked for, as far as the list has them. One that it does not have, such as one that was
 * delisted, is told and keeps nobody from the others.
 *
 * @param asked What people call each, and its symbol.
 * @throws {SourceError} when the list has none of them.
 */
export function pickInstruments(
  { instruments, skipped }: InstrumentList,
  asked: readonly { readonly text: string; readonly symbol: string }[],
  { label, onSkipped }: PickOptions,
): Instrument[] {
  const offered = new Map(instruments.map(instrument => [instrument.symbol, instrument]));
  const found: Instrument[] = [];
  const unknown: Skipped[] = [];
  for (const { text, symbol } of asked) {
    const instrument = offered.get(symbol);
    const why = skipped.find(({ name }) => name === quote(symbol))?.why;
    if (instrument !== undefined) found.push(instrument);
    else unknown.push(skip(text, why ?? `${label} does not offer it now`));
  }
  const [first] = unknown;
  if (found.length === 0 && first !== undefined) {
    throw new SourceError(`${label} does not offer ${first.name}: ${first.why}`);
  }
  if (unknown.length > 0) onSkipped?.(unknown);
  return found;
}

/** The digits after the point of the smallest step of a price: `0.01000` has two, `1` has none. */
export const precisionOf = (step: string): number =>
  (step.split('.')[1] ?? '').replace(/0+$/, '').length;

const skip = (name: unknown, why: string): Skipped => ({ name: quote(name), why });

/** Providers call it so, one or the other. */
function nameIn(entry: unknown): unknown {
  if (typeof entry !== 'object' || entry === null) return entry;
  const { name, id, symbol } = entry as Record<string, unknown>;
  return [name, id, symbol].find(each => typeof each === 'string') ?? entry;
}
