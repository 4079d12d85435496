import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Action, Parts } from './actions.ts';
import { faultsOf } from './faults.ts';
import { operator } from './operator.ts';
import { poison } from './poison.ts';
import type { Report } from './report.ts';

export interface Done {
  kills: number;
  actions: Report['actions'];
  /** Actions that could not be done for a reason that is ours: no server, a lock, a time limit. */
  errors: string[];
  /** Actions that the product refused without a good reason. */
  problems: string[];
}

/** Does something every few seconds until the time is over, then waits until each has undone itself. */
export async function runActions(parts: {
  parts: Parts;
  until: number;
  signal: AbortSignal;
  say: (line: string) => void;
}): Promise<Done> {
  const { until, signal, say } = parts;
  const { random, health, world } = parts.parts;
  const all: readonly Action[] = [...faultsOf(world.roster), ...operator, ...poison];
  const done: Done = { kills: 0, actions: {}, errors: [], problems: [] };
  const busy = new Map<string, Promise<void>>();
  const recoveries: Promise<void>[] = [];
  let saidAt = Date.now();
  let calmAt = Date.now() + 45_000;

  const note = (line: string): void =>
    appendFileSync(
      join(parts.parts.world.logDir, 'soak.log'),
      `${new Date().toISOString()} * ${line}\n`,
    );

  async function act(action: Action): Promise<void> {
    done.actions[action.kind] ??= { count: 0, failed: 0, recoveriesMs: [] };
    const count = done.actions[action.kind] as Report['actions'][string];
    count.count += 1;
    note(`${action.kind} begins`);
    const ended = health.acted(action.kind);
    try {
      await action.run(parts.parts);
      note(`${action.kind} ends`);
      if (action.isKill) done.kills += 1;
    } catch (error) {
      count.failed += 1;
      note(`${action.kind} failed: ${String(error).slice(0, 300)}`);
      const { code = '', message } = error as Error & { code?: string };
      const line = `${new Date().toISOString()} ${action.kind}: ${code} ${message}`;
      (isExpected(code, message) ? done.errors : done.problems).push(line);
    } finally {
      ended();
    }
    if (!action.isOutage) return;
    const endedAt = Date.now();
    recoveries.push(
      health.recovered(endedAt, 90_000).then(ms => {
        if (ms !== undefined) count.recoveriesMs.push(ms);
      }),
    );
  }

  // Only in the first half: else they would hide what the other actions lost.
  const healingUntil = (Date.now() + until) / 2;
  while (Date.now() < until && !signal.aborted) {
    await sleep(random.int(300, 3_500));
    if (Date.now() > calmAt) {
      // Now and then all may recover: what only happens to a healthy system has to happen too.
      await sleep(Math.min(12_000, Math.max(0, until - Date.now())));
      calmAt = Date.now() + 60_000;
    }
    const possible = all.filter(
      each =>
        (each.isHealing !== true || Date.now() < healingUntil) &&
        !busy.has(each.group) &&
        (each.isPossible?.(parts.parts) ?? true),
    );
    const action = pickByWeight(possible, random.next());
    if (action === undefined) continue;
    busy.set(
      action.group,
      act(action).finally(() => busy.delete(action.group)),
    );
    if (Date.now() - saidAt > 60_000) {
      saidAt = Date.now();
      const left = ((until - saidAt) / 60_000).toFixed(1);
      say(`${parts.parts.world.engine}: ${done.kills} kills, ${left} minutes to go`);
    }
  }
  await Promise.all(busy.values());
  // Recoveries that are still awaited end with the health watch or their own time limit.
  void Promise.all(recoveries);
  return done;
}

function pickByWeight(actions: readonly Action[], draw: number): Action | undefined {
  let at = draw * actions.reduce((sum, { weight }) => sum + weight, 0);
  return actions.find(({ weight }) => {
    at -= weight;
    return at < 0;
  });
}

/** The server was away, somebody held a lock, a queue was not there. */
function isExpected(code: string, message: string): boolean {
  return (
    /^(57P0|57014|08|55P03|40P01|25P0|53300|ECONN|EPIPE|TFUSE)/.test(code) ||
    /terminated|timeout|timed out|Connection|ECONNREFUSED|socket|no PostgreSQL answers|does not exist|NonExistent|EADDRINUSE/i.test(
      message,
    )
  );
}
