import type { Engine } from '../harness/server.ts';
import type { ShownCount } from './health.ts';
import { views } from './told.ts';

/** Everything a run has to say. */
export interface Report {
  readonly seed: number;
  readonly engine: Engine;
  readonly minutes: number;
  readonly twins: boolean;
  readonly startedAt: string;
  readonly kills: number;
  /** By kind: how often it was done, how often it failed itself, and what came of it. */
  readonly actions: Record<string, { count: number; failed: number; recoveriesMs: number[] }>;
  readonly ticks: Record<string, number>;
  readonly feeders: Record<string, unknown>;
  /** By door: how many hostile inputs were tried there, by what came of them. */
  readonly hostile: Record<string, Readonly<Record<string, number>>>;
  /** By fault that lasts: whether the views told it. */
  readonly health: Record<string, ShownCount>;
  readonly largest: { memoryMb: Record<string, number>; tableMb: Record<string, number> };
  readonly idleInTransactionSeconds: number;
  /** While ops.status could be asked. */
  readonly longestWaitSeconds: number;
  readonly starts: Record<string, number>;
  /** From the end of the last fault until nothing was left to do. */
  readonly convergenceSeconds: number | undefined;
  readonly compared: Record<string, number>;
  readonly differences: readonly string[];
  readonly actionErrors: readonly string[];
  readonly logDir: string;
}

/** The report for people. */
export function describe(report: Report): string {
  const lines = [
    `soak: ${report.engine}, seed ${report.seed}, ${report.minutes} minutes${report.twins ? ', two of each process,' : ''} from ${report.startedAt}`,
    `kills: ${report.kills}`,
    '',
    'what was done                              times  failed  recovery in s: median    max',
  ];
  for (const [kind, { count, failed, recoveriesMs }] of Object.entries(report.actions).toSorted()) {
    const [median, max] = medianAndMax(recoveriesMs);
    lines.push(
      `${kind.padEnd(42)} ${String(count).padStart(5)} ${String(failed).padStart(7)} ${median.padStart(22)}${max}`.trimEnd(),
    );
  }
  const total = Object.values(report.ticks).reduce((sum, count) => sum + count, 0);
  const shares = Object.entries(report.ticks).map(
    ([kind, count]) => `${count} ${kind} (${((100 * count) / Math.max(1, total)).toFixed(1)} %)`,
  );
  lines.push(
    '',
    `ticks sent: ${total}: ${shares.join(', ')}`,
    `feeders: ${JSON.stringify(report.feeders)}`,
    ...describeHostile(report.hostile),
    `starts of processes: ${JSON.stringify(report.starts)}`,
    ...describeHealth(report.health),
    '',
    `largest memory in MB: ${JSON.stringify(report.largest.memoryMb)}`,
    `largest tables in MB: ${JSON.stringify(report.largest.tableMb)}`,
    `longest idle in a transaction: ${report.idleInTransactionSeconds.toFixed(1)} s`,
    `longest wait of a subscriber for what was acknowledged: ${report.longestWaitSeconds.toFixed(1)} s`,
    `convergence after the last fault: ${report.convergenceSeconds?.toFixed(1) ?? 'never'} s`,
    `compared: ${JSON.stringify(report.compared)}`,
    `errors of actions: ${report.actionErrors.length}`,
    ...report.actionErrors.slice(0, 20).map(line => `  ${line}`),
    `differences: ${report.differences.length}`,
    ...report.differences.slice(0, 50).map(line => `  ${line}`),
  );
  if (report.differences.length > 0) {
    lines.push('', `FAILED. Seed ${report.seed}; the logs are in ${report.logDir}`);
  }
  return lines.join('\n');
}

function describeHostile(hostile: Report['hostile']): string[] {
  return Object.entries(hostile).map(([door, outcomes]) => {
    const tried = Object.values(outcomes).reduce((sum, count) => sum + count, 0);
    return `hostile ${door}: ${tried} tried: ${JSON.stringify(outcomes)}`;
  });
}

/** A row a fault and view, with the counts in the fault's first row. */
function describeHealth(health: Report['health']): string[] {
  const lines = [
    '',
    'what lasted and was to be told     times shown missed brief unseen  by           times  after s: median    max  clear after s: median    max  never',
  ];
  for (const [what, { times, shown, missed, brief, unseen, by }] of Object.entries(
    health,
  ).toSorted()) {
    let head = `${what.padEnd(34)} ${String(times).padStart(5)} ${String(shown).padStart(5)} ${String(missed).padStart(6)} ${String(brief).padStart(5)} ${String(unseen).padStart(6)}`;
    const rows = views.filter(view => by[view].shownMs.length > 0);
    if (rows.length === 0) lines.push(head);
    for (const view of rows) {
      const { shownMs, clearMs, neverClear } = by[view];
      const [median, max] = medianAndMax(shownMs);
      const [clearMedian, clearMax] = medianAndMax(clearMs);
      lines.push(
        `${head.padEnd(66)}  ${view.padEnd(11)} ${String(shownMs.length).padStart(6)} ${median.padStart(16)}${max} ${clearMedian.padStart(21)}${clearMax} ${String(neverClear).padStart(6)}`,
      );
      head = '';
    }
  }
  return lines;
}

/** In seconds, for a column each; empty when there is none. */
function medianAndMax(times: readonly number[]): [string, string] {
  const sorted = times.toSorted((a, b) => a - b);
  const seconds = (ms: number | undefined) =>
    ms === undefined ? '' : (ms / 1_000).toFixed(1).padStart(7);
  return [seconds(sorted[Math.floor(sorted.length / 2)]), seconds(sorted.at(-1))];
}
