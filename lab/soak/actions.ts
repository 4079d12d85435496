import type { FaultParts } from './faults.ts';

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
  readonly isPossible?: (parts: FaultParts) => boolean;
  /** Undoes itself before it ends, whatever happens. */
  readonly run: (parts: FaultParts) => Promise<unknown>;
}
