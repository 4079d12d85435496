import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { createLogger } from '../../db/runtime/logger.ts';
import { startEmbedded } from '../../start/embedded/embedded.ts';
import { type Cluster, type EngineSetup, provideTemplate } from './template.ts';

export default function setup(project: TestProject): Promise<() => Promise<void>> {
  return setUpPostgres(engine => project.provide('engine', engine), project.name);
}

/** The embedded PostgreSQL, in a throw-away folder. */
export const setUpPostgres: EngineSetup = async (provide, project) => {
  const cluster = await startPostgres();
  const dropTemplate = await provideTemplate(provide, project, 'postgres', cluster.url);
  return async () => {
    await dropTemplate();
    await cluster.stop();
  };
};

export async function startPostgres(): Promise<Cluster> {
  const dataDir = await mkdtemp(join(tmpdir(), 'foresight-test-'));
  // Root's server runs as another user, which must be able to enter.
  await chmod(dataDir, 0o755);
  const embedded = await startEmbedded({ dataDir, logger: createLogger('test', 'warn') });
  return {
    url: embedded.url,
    async stop() {
      await embedded.stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}
