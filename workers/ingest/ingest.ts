import type { Logger } from '../../db/runtime/logger.ts';
import { sleep } from '../../db/runtime/process.ts';
import type { Feed } from './feed.ts';
import { createLedger } from './ledger.ts';
import { repairGaps } from './repair.ts';
import { type Covered, type Instrument, type Skipped, type Source, SourceError } from './source.ts';
import { oneLine, quote } from './text.ts';
import { createWanted, type WantedSet } from './wanted.ts';
import { createWriter } from './writer.ts';

const nudgeEveryMs = 50;
const writeEveryMs = 2_000;
const beatEveryMs = 2_000;
/** What a source says of the last minute is said of the present. */
const presentMs = 60_000;

export interface IngestParts {
  readonly source: Source;
  readonly symbols: readonly string[];
  /** Ask the source for what was missed, if it can. */
  readonly repairs: boolean;
  readonly feed: Feed;
  /** Says that we are alive, every two seconds; the answer is the symbols that the source is to follow. */
  readonly beat: () => Promise<readonly string[]>;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/**
 * Source -> ticks in the database, until the signal aborts. After a commit the publisher is nudged, at
 * most every 50 ms. Which instruments the source is to follow comes with each heartbeat.
 *
 * @throws {SourceError} when the source cannot go on.
 */
export async function ingest(parts: IngestParts): Promise<void> {
  const stop = new AbortController();
  const onStop = () => stop.abort();
  parts.signal.addEventListener('abort', onStop);
  if (parts.signal.aborted) stop.abort();
  const { signal } = stop;
  const wanted = createWanted();
  let keepWanted: ((active: readonly string[]) => Promise<void>) | undefined;
  const beating = keepBeating({ ...parts, signal }, async active => keepWanted?.(active));
  try {
    const offered = await begin(parts);
    const keep = createWantedKeeper({ ...parts, signal }, wanted, offered);
    await keep(await parts.feed.followed(parts.source.name));
    keepWanted = keep;
    await follow(parts, stop, wanted);
  } finally {
    parts.signal.removeEventListener('abort', onStop);
    stop.abort();
    // One that is under way could reach the database after the goodbye; where that hangs, nobody waits for it.
    await Promise.race([beating, sleep(1_000)]);
  }
}

/** @param take Gets what each answer says, not before it is done with the one before. */
async function keepBeating(
  { beat, logger, signal }: Pick<IngestParts, 'beat' | 'logger' | 'signal'>,
  take: (active: readonly string[]) => Promise<void>,
): Promise<void> {
  let taking: Promise<void> | undefined;
  while (!signal.aborted) {
    try {
      const active = await beat();
      // A provider that is asked about a symbol may take its time, and we are alive meanwhile.
      taking ??= take(active)
        .catch((error: unknown) => {
          logger.debug({ err: error }, 'not known what is to be followed');
        })
        .finally(() => {
          taking = undefined;
        });
    } catch (error) {
      logger.debug({ err: error }, 'no heartbeat');
    }
    await sleep(beatEveryMs, signal);
  }
  await taking;
}

/** Stores what the source says, and keeps the ledger and its gaps, until one of them ends. */
async function follow(parts: IngestParts, stop: AbortController, wanted: WantedSet): Promise<void> {
  const { source, feed, logger } = parts;
  const { signal } = stop;
  const nudge = createNudge(feed, logger);
  const ledger = createLedger({ feed, source: source.name, logger });
  const writer = createWriter({
    ...parts,
    source: source.name,
    onStored: counts => {
      if (counts.stored > 0) nudge();
      if (counts.rejected + counts.conflicting > 0) {
        logger.warn({ ...counts }, 'ticks kept aside, see feed.rejected_ticks');
      }
    },
  });
  const curtain = createCurtain(parts, wanted, async () => {
    if (!(await writer.stored())) return false;
    await ledger.write(writer.stored);
    return true;
  });
  const listen = async (): Promise<void> => {
    for await (const item of source.follow({ signal, wanted: wanted.current })) {
      if (item.kind === 'ticks') await writer.add(item.ticks);
      else ledger.take(item);
      if (item.kind === 'covered') await curtain(item);
    }
  };
  const keepLedger = async (): Promise<void> => {
    while (!signal.aborted) {
      await sleep(writeEveryMs, signal);
      if (signal.aborted) return;
      await ledger.write(writer.stored).catch(() => undefined);
    }
  };
  const tasks = [
    listen(),
    keepLedger(),
    ...(parts.repairs ? [repairGaps({ ...parts, signal, onStored: nudge })] : []),
  ];
  try {
    // Whoever ends first ends all: a source that is through, or a fault.
    await Promise.race([tasks[0], Promise.all(tasks)]);
  } finally {
    stop.abort();
    await Promise.allSettled(tasks);
    await writer.drain();
    const lost = writer.lost();
    if (lost > 0) logger.error({ lost }, `${lost} ticks were received and could not be stored`);
    await ledger.write(writer.stored).catch(() => undefined);
    await ledger.settle();
    // Stopped in order: its silence from now on is no fault.
    if (parts.signal.aborted) {
      await feed.recordState(source.name, 'stopped', null).catch(() => undefined);
    }
  }
}

/** Makes the source and its instruments known, and hides those that cannot have live prices now. */
async function begin({
  source,
  symbols,
  repairs,
  feed,
  logger,
  signal,
}: IngestParts): Promise<string[]> {
  await waitAlone({ source, feed, logger, signal });
  const tell = (skipped: readonly Skipped[]) => tellSkipped({ source, logger }, skipped);
  let telling: Promise<void> = Promise.resolve();
  const onAlone = (milliseconds: number, reason: string): void => {
    telling = keepAlone({ source, repairs, feed, logger }, milliseconds, reason);
  };
  let instruments: readonly Instrument[];
  try {
    instruments = await source.instruments(symbols, signal, tell, onAlone);
  } finally {
    await telling;
  }
  for (let attempt = 0; ; attempt++) {
    try {
      await feed.registerSource(source, repairs && source.repair !== undefined);
      const added = await addInstruments({ source, feed, logger }, instruments);
      if (source.isSimulated) await feed.setActive(source.name, true);
      else await feed.hideSimulated();
      return added;
    } catch (error) {
      const code = (error as { code?: string }).code ?? '';
      if (['SRCIN', '23514', 'LABEL'].includes(code)) {
        throw new SourceError((error as Error).message);
      }
      if (signal.aborted || attempt >= 30) throw error;
      logger.warn({ err: error }, 'waiting for the database');
      await sleep(1_000, signal);
    }
  }
}

/** Writes down that the provider asked to be left alone before it told of its instruments: whoever starts anew waits. */
async function keepAlone(
  { source, repairs, feed, logger }: Pick<IngestParts, 'source' | 'repairs' | 'feed' | 'logger'>,
  milliseconds: number,
  reason: string,
): Promise<void> {
  try {
    await feed.registerSource(source, repairs && source.repair !== undefined);
    await feed.recordState(source.name, 'disconnected', reason, milliseconds);
  } catch (error) {
    logger.debug({ err: error }, 'not written down how long to leave a provider alone');
  }
}

/** Whoever was told to wait has not waited by being started anew. */
async function waitAlone({
  source,
  feed,
  logger,
  signal,
}: Pick<IngestParts, 'source' | 'feed' | 'logger' | 'signal'>): Promise<void> {
  // Without a database nothing is known, and nothing can be stored: what follows waits for it.
  const left = await feed.aloneFor(source.name).catch(() => 0);
  if (left <= 0) return;
  const seconds = Math.ceil(left / 1_000);
  logger.warn(
    { source: source.name, seconds },
    `${source.name} asked to be left alone, for ${seconds} s more`,
  );
  await sleep(left, signal);
}

/** @returns the symbols of those that the database takes; one that it does not take ends no other. */
async function addInstruments(
  { source, feed, logger }: Pick<IngestParts, 'source' | 'feed' | 'logger'>,
  instruments: readonly Instrument[],
): Promise<string[]> {
  const added: string[] = [];
  for (const instrument of instruments) {
    try {
      await feed.addInstrument(source.name, instrument, !source.isSimulated);
      added.push(instrument.symbol);
    } catch (error) {
      if ((error as { code?: string }).code !== '23514') throw error;
      const why = oneLine((error as Error).message, 200);
      tellSkipped({ source, logger }, [{ name: quote(instrument.symbol), why }]);
    }
  }
  return added;
}

/** One line, however many there are. */
function tellSkipped(
  { source, logger }: Pick<IngestParts, 'source' | 'logger'>,
  skipped: readonly Skipped[],
): void {
  const [first] = skipped;
  if (first === undefined) return;
  const count = skipped.length === 1 ? '' : `, and so are ${skipped.length - 1} others`;
  logger.warn(
    { source: source.name, count: skipped.length, skipped: skipped.slice(0, 10) },
    `${source.name} lists ${first.name}, which is left out: ${first.why}${count}`,
  );
}

/**
 * Shows the instruments of a made-up market when what it says has reached the present. Before that its history
 * comes in, and nobody is told of it candle by candle: their indicators begin with what is stored.
 */
function createCurtain(
  { source, feed, logger }: IngestParts,
  wanted: WantedSet,
  /** Has all that was said written down; false when some of it never will be. */
  write: () => Promise<boolean>,
): (said: Covered) => Promise<void> {
  const saidUntil = new Map<string, number>();
  let isShown = !source.isSimulated;
  return async ({ symbols, to }) => {
    if (isShown) return;
    for (const symbol of symbols) saidUntil.set(symbol, Date.parse(to));
    const present = Date.now() - presentMs;
    if (wanted.current().symbols.some(symbol => (saidUntil.get(symbol) ?? 0) < present)) return;
    try {
      if (!(await write())) return;
      await feed.showInstruments(source.name);
      isShown = true;
    } catch (error) {
      logger.debug({ err: error }, 'instruments could not be shown');
    }
  };
}

/** Lets the source follow its active instruments, whoever added them, as far as it offers them. */
function createWantedKeeper(
  { source, feed, logger, signal }: IngestParts,
  wanted: WantedSet,
  offered: readonly string[],
): (active: readonly string[]) => Promise<void> {
  let seen: readonly string[] | undefined;
  /** What the source said of each symbol; one that was removed is asked about again. */
  let isOffered = new Map(offered.map(symbol => [symbol, true]));

  const tell = (skipped: readonly Skipped[]) => tellSkipped({ source, logger }, skipped);
  const leaveAlone = (milliseconds: number): void => {
    feed.leaveAlone(source.name, milliseconds).catch((error: unknown) => {
      logger.debug({ err: error }, 'not written down how long to leave a provider alone');
    });
  };

  async function ask(symbols: readonly string[]): Promise<[string, boolean][]> {
    try {
      if (symbols.length === 0) return [];
      const found = await source.instruments(symbols, signal, tell, leaveAlone);
      const listed = found.map(each => each.symbol);
      return symbols.map(symbol => [symbol, listed.includes(symbol)]);
    } catch (error) {
      if (!(error instanceof SourceError)) throw error;
      const [symbol] = symbols;
      if (symbols.length > 1 || symbol === undefined) {
        return (await Promise.all(symbols.map(each => ask([each])))).flat();
      }
      logger.warn({ source: source.name, symbol }, `${symbol} is not followed: ${error.message}`);
      return [[symbol, false]];
    }
  }

  return async active => {
    if (seen?.join() === active.join()) return;
    const known = [...isOffered].filter(([symbol]) => active.includes(symbol));
    const answers = await ask(active.filter(symbol => !isOffered.has(symbol)));
    const all = new Map([...known, ...answers]);
    const symbols = active.filter(symbol => all.get(symbol));
    const followed = new Set(wanted.current().symbols);
    const storedUntil = await feed.storedUntil(symbols.filter(symbol => !followed.has(symbol)));
    if (seen !== undefined) logger.info({ symbols }, `${source.name} follows other symbols now`);
    wanted.change(symbols, storedUntil);
    isOffered = all;
    seen = active;
  };
}

function createNudge(feed: Feed, logger: Logger): () => void {
  let timer: NodeJS.Timeout | undefined;
  let sentAt = 0;
  const send = (): void => {
    timer = undefined;
    sentAt = Date.now();
    feed.nudge().catch((error: unknown) => logger.debug({ err: error }, 'nudge lost'));
  };
  return () => {
    if (timer !== undefined) return;
    timer = setTimeout(send, Math.max(0, sentAt + nudgeEveryMs - Date.now()));
  };
}
