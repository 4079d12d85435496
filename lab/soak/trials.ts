import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../../tests/support/random.ts';

/** A way into the running system, and what is tried there. */
export interface Door<Input> {
  readonly name: string;
  /** The same seed draws the same input. */
  draw(seed: number): Input;
  attempt(input: Input): Promise<Outcome>;
  /** The input for people, who may have to send it again. */
  write(input: Input): string;
}

export interface Outcome {
  /** What came of it, to be counted. */
  readonly kind: string;
  /** What is wrong with it, whatever else is broken. */
  readonly fault?: string;
  /** What is wrong with it only if nothing else is broken. */
  readonly suspicion?: string;
}

/** Hostile inputs at a door, one after the other while everything else happens. */
export interface Trials {
  readonly name: string;
  readonly outcomes: Readonly<Record<string, number>>;
  readonly faults: readonly string[];
  stop(): Promise<void>;
  /** To be called when nothing is broken any more: what looked wrong then is tried again. @returns all faults. */
  judge(): Promise<readonly string[]>;
}

/** As many are tried again at most. */
const mostSuspects = 100;

export function startTrials<Input>(
  door: Door<Input>,
  random: Random,
  [shortestMs, longestMs]: readonly [number, number],
): Trials {
  const outcomes: Record<string, number> = {};
  const faults: string[] = [];
  const suspects: { seed: number; input: Input }[] = [];
  let isStopped = false;

  const tell = (seed: number, input: Input, what: string): void => {
    const written = door.write(input).slice(0, 2_000);
    faults.push(`${door.name}, input ${seed}: ${what}: ${written}`);
  };

  const running = (async () => {
    while (!isStopped) {
      await sleep(random.int(shortestMs, longestMs));
      const seed = random.int(0, 2 ** 31 - 1);
      const input = door.draw(seed);
      const { kind, fault, suspicion } = await door.attempt(input);
      outcomes[kind] = (outcomes[kind] ?? 0) + 1;
      if (fault !== undefined) tell(seed, input, fault);
      else if (suspicion !== undefined && suspects.length < mostSuspects) {
        suspects.push({ seed, input });
      }
    }
  })();
  running.catch((error: unknown) => faults.push(`${door.name}: could not go on: ${error}`));

  return {
    name: door.name,
    outcomes,
    faults,
    async stop() {
      isStopped = true;
      await running.catch(() => undefined);
    },
    async judge() {
      for (const { seed, input } of suspects.splice(0)) {
        const { fault, suspicion } = await door.attempt(input);
        const what = fault ?? suspicion;
        if (what !== undefined) tell(seed, input, `${what}, at rest too`);
      }
      return faults;
    },
  };
}
