import { inject } from 'vitest';
import { startPostgres } from './postgres.ts';
import type { Cluster } from './template.ts';
import { findInstallation, startCluster } from './timescaledb.ts';

/**
 * A server of the engine of this run for one test file: roles belong to the cluster. Undefined when the engine is not
 * here, or only on a server that others use too.
 */
export async function startOwnCluster(): Promise<Cluster | undefined> {
  const { engine } = inject('engine');
  if (engine === 'postgres') return startPostgres();
  const given = process.env.TEST_TIMESCALE_URL;
  const bin = given === undefined || given === '' ? findInstallation() : undefined;
  return bin === undefined ? undefined : startCluster(bin);
}
