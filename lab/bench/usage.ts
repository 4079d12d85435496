import { readFile } from 'node:fs/promises';
import type { Sql } from '../../db/runtime/database.ts';

/** Of /proc; NaN where there is none. */
export interface Usage {
  readonly cpuSeconds: number;
  /** The most memory that was resident, ever. */
  readonly peakMegabytes: number;
}

/** A hundredth of a second on every Linux that Node runs on. */
const ticksPerSecond = 100;

export async function usageOf(pid: number): Promise<Usage> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    // After the name, which may hold spaces: state is field 3, utime 14, stime 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return {
      cpuSeconds: (Number(fields[11]) + Number(fields[12])) / ticksPerSecond,
      peakMegabytes: Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1_024,
    };
  } catch {
    return { cpuSeconds: Number.NaN, peakMegabytes: Number.NaN };
  }
}

/**
 * CPU seconds of this database's server processes by their ids, without those of the benchmark itself.
 * Of a server on this machine; a process that ends in between is not counted.
 */
export async function serverCpu(sql: Sql): Promise<Map<number, number>> {
  const rows = await sql<{ pid: number }[]>`
    select a.pid from pg_stat_activity as a
    where a.datname = current_database() and a.application_name not like 'foresight bench%'`;
  const entries = rows.map(async ({ pid }) => [pid, (await usageOf(pid)).cpuSeconds] as const);
  return new Map(await Promise.all(entries));
}

export function cpuBetween(
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
): number {
  return [...after].reduce((sum, [pid, seconds]) => sum + seconds - (before.get(pid) ?? 0), 0);
}
