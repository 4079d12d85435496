import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../tests/support/random.ts';
import type { Tick } from '../../workers/ingest/source.ts';
import { push, startDirectFeeder, startStreamFeeder } from './feeders.ts';
import { createGenerator, type Instrument } from './generator.ts';
import type { Ledger } from './ledger.ts';
import type { World } from './world.ts';

/** By source. */
export const instruments: Readonly<Record<'manual' | 'oanda', readonly Instrument[]>> = {
  manual: [
    { symbol: 'SOAK.A', base: 1.1 },
    { symbol: 'SOAK.B', base: 152 },
    { symbol: 'SOAK.TRADE', base: 67_000, isTrade: true },
  ],
  oanda: [
    { symbol: 'EUR_USD', base: 1.165 },
    { symbol: 'XAU_USD', base: 3_980 },
  ],
};

/** Everything that brings ticks. */
export interface Feeders {
  /** Ends when all that was promised is stored. */
  stop(): Promise<void>;
  /** The provider sends ticks again. */
  resend(ticks: readonly Tick[]): Promise<void>;
  describe(): Record<string, unknown>;
  /** Lines of the provider that are no prices. */
  noise(): number;
  /** What the direct feeders were answered, and how often they tried. */
  totals(): { stored: number; refused: number; attemptedTicks: number; acknowledged: number };
  refused(): string[];
}

export function startFeeders(parts: { world: World; ledger: Ledger; random: Random }): Feeders {
  const { world, ledger, random } = parts;
  // Two writers at the same time, each with its own instruments.
  const direct = [instruments.manual.slice(0, 1), instruments.manual.slice(1)].map((own, index) =>
    startDirectFeeder({
      url: world.url,
      generator: createGenerator(own, ledger, random.fork(`ticks ${index}`)),
      ledger,
      random: random.fork(`batches ${index}`),
    }),
  );
  const stream = startStreamFeeder({
    oanda: world.oanda,
    generator: createGenerator(instruments.oanda, ledger, random.fork('ticks of the stream')),
    random: random.fork('stream'),
  });
  const sum = (of: (feeder: (typeof direct)[number]) => number) =>
    direct.reduce((total, feeder) => total + of(feeder), 0);
  return {
    async stop() {
      await Promise.all([...direct.map(feeder => feeder.stop()), stream.stop()]);
    },
    async resend(ticks) {
      for (const [index, tick] of ticks.entries()) {
        push(world.oanda, tick);
        if (index % 200 === 199) await sleep(20);
      }
    },
    describe: () => ({
      attempts: sum(({ totals }) => totals.attempts),
      unanswered: sum(({ totals }) => totals.unanswered),
      stored: sum(({ totals }) => totals.acknowledged.stored),
      duplicate: sum(({ totals }) => totals.acknowledged.duplicate),
      conflicting: sum(({ totals }) => totals.acknowledged.conflicting),
      rejected: sum(({ totals }) => totals.acknowledged.rejected),
    }),
    noise: () => stream.noise(),
    totals: () => ({
      stored: sum(({ totals }) => totals.acknowledged.stored),
      refused: sum(({ totals }) => totals.acknowledged.conflicting + totals.acknowledged.rejected),
      attemptedTicks: sum(({ totals }) => totals.attemptedTicks),
      acknowledged: sum(
        ({ totals: { acknowledged: a } }) => a.stored + a.duplicate + a.conflicting + a.rejected,
      ),
    }),
    refused: () => direct.flatMap(({ totals }) => totals.refused),
  };
}
