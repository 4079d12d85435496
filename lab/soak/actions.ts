import type { Random } from '../../tests/support/random.ts';
import type { Health } from './health.ts';
import type { World } from './world.ts';

/** What an action is given. */
export interface Parts {
  readonly world: World;
  readonly random: Random;
  readonly health: Health;
  /** The queues of the run's own subscriptions. */
  readonly queues: readonly string[];
  /** Hostile inputs that actions tried, to be counted by them. */
  readonly tried: { messages: number };
}

/** Something that is done to the running system. */
export interface Action {
  readonly kind: string;
  /** How often, compared with the others. */
  readonly weight: number;
  /** Two of one group never happen at the same time. */
  readonly group: string;
  /** Whether it kills something. */
  readonly isKill?: boolean;
  /** Whether work is expected to stop and to go on: its recovery is timed. */
  readonly isOutage?: boolean;
  /** Whether everything is sent again because of it: what was lost before is mended and not found. */
  readonly isHealing?: boolean;
  readonly isPossible?: (parts: Parts) => boolean;
  /** Undoes itself before it ends, whatever happens. */
  readonly run: (parts: Parts) => Promise<unknown>;
}
