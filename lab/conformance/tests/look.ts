import { expect } from 'vitest';
import type { Sql } from '../../../db/runtime/database.ts';
import { checkNames, conform, type Verdict } from '../conform.ts';
import { openWorld, type Subject } from '../world.ts';

/** A service to be looked at, as a test tells of it. */
export type Candidate = Pick<Subject, 'service' | 'command' | 'role'> &
  Partial<Pick<Subject, 'patienceMs'>>;

/** Beyond this a look has stopped getting on: each wait in it has an end of its own, and tells what it waits for. */
export const timeout = 600_000;

/**
 * The verdicts on a service, in a world of its own.
 *
 * @param checks Only these parts of the contract.
 */
export async function look(
  database: { readonly url: string; readonly sql: Sql },
  candidate: Candidate,
  signal: AbortSignal,
  checks: readonly string[] = checkNames,
): Promise<readonly Verdict[]> {
  const world = await openWorld(database, { patienceMs: 60_000, ...candidate, signal });
  try {
    const verdicts: Verdict[] = [];
    const isRight = await conform(world, verdict => verdicts.push(verdict), checks);
    expect(verdicts.map(({ check }) => check)).toEqual(['registration', ...checks]);
    expect(isRight).toBe(verdicts.every(({ outcome }) => outcome === 'pass'));
    // Of what failed the author is told what the contract asks for.
    const ruled = verdicts.filter(({ rule }) => rule !== undefined);
    expect(ruled).toEqual(verdicts.filter(({ outcome }) => outcome === 'fail'));
    return verdicts;
  } finally {
    await world.close();
  }
}

export function expectAll(verdicts: readonly Verdict[]): void {
  expect(verdicts.filter(({ outcome }) => outcome !== 'pass')).toEqual([]);
}
