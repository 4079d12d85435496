import { mkdtemp, open, readFile, rm } from 'node:fs/promises';
import { availableParallelism, cpus, release, tmpdir, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { median } from './figures.ts';

/** What figures depend on beside the server's settings, each as text for people. */
export async function describeMachine(): Promise<Record<string, string>> {
  return {
    processor: `${availableParallelism()} x ${cpus()[0]?.model.trim() ?? 'unknown'}`,
    memory: `${(totalmem() / 2 ** 30).toFixed(1)} GB${await memoryLimit()}`,
    disk: `${(await syncMilliseconds()).toFixed(2)} ms for 8 kB written and synced (median of 50)`,
    system: `${type()} ${release()}`,
    node: process.version,
  };
}

async function memoryLimit(): Promise<string> {
  const limit = await readFile('/sys/fs/cgroup/memory.max', 'utf8').catch(() => 'max');
  return Number.isNaN(Number(limit))
    ? ''
    : `, limited to ${(Number(limit) / 2 ** 30).toFixed(1)} GB`;
}

/** In the temporary folder, where the servers that the benchmark starts keep their data. */
async function syncMilliseconds(): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'foresight-bench-disk-'));
  try {
    const file = await open(join(folder, 'file'), 'w');
    try {
      const page = Buffer.alloc(8_192, 1);
      const times: number[] = [];
      for (let index = 0; index < 50; index++) {
        const startedAt = performance.now();
        await file.write(page, 0, page.length, index * page.length);
        await file.datasync();
        times.push(performance.now() - startedAt);
      }
      return median(times);
    } finally {
      await file.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
