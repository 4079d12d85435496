import { afterEach, expect, it } from 'vitest';
import { describeOnEngine } from './support/database.ts';
import { type System, startSystem } from './support/system.ts';
import { waitFor } from './support/wait.ts';

/** A process whose clock is so many milliseconds ahead. */
const withClock = (ahead: number) => ({
  NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(
    `const now=Date.now;Date.now=()=>now()+${ahead};const D=Date;globalThis.Date=class extends D{constructor(...a){super(...(a.length?a:[Date.now()]))}static now=()=>now()+${ahead}};`,
  )}`,
});

describeOnEngine('The clock of ingest', database => {
  const { sql } = database;
  let system: System;

  afterEach(() => system.stopAll());

  async function faults(): Promise<string> {
    const [row] = await sql<[{ faults: string[] }]>`select faults from ops.status`;
    return row.faults.join('\n');
  }

  it.each([
    [
      'two days ahead',
      2 * 86_400_000,
      /^the clock of process ingest on \S+ is 4[78]:\d\d:\d\d ahead of the database's$/m,
    ],
    [
      'an hour behind',
      -3_600_000,
      /^the clock of process ingest on \S+ is (00:59:\d\d|01:00:00) behind the database's$/m,
    ],
  ])('is told when it is %s, and what it says is not believed', async (_, ahead, told) => {
    await sql`delete from feed.coverage`;
    system = await startSystem(database);
    await system.start('ingest', ['--source', 'simulated'], withClock(ahead));
    await waitFor('it is told', faults, { until: text => told.test(text) });
    const [row] = await sql`
      select coalesce(bool_and(covered_to <= clock_timestamp()), true) as is_past from feed.coverage`;
    expect(row).toEqual({ is_past: true });
    await system.stopAll();
    expect(await faults()).not.toMatch(/clock of process/);

    await system.start('ingest', ['--source', 'simulated']);
    await waitFor('it is heard', async () => {
      const [heard] = await sql<[{ is_now: boolean }]>`
        select coalesce(max(covered_to) > now() - interval '1 minute', false) as is_now from feed.coverage`;
      return heard.is_now;
    });
    expect(await faults()).not.toMatch(/clock of process/);
  });
});
