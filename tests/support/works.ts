import { expect } from 'vitest';
import { openDatabase } from '../../db/runtime/database.ts';
import { freePort } from '../../start/embedded/cluster.ts';
import { testLogger } from './database.ts';
import { startSystem, type WorkerName } from './system.ts';
import { addAverages } from './values.ts';
import { waitFor } from './wait.ts';

export const processes = ['upkeep', 'publish', 'indicators', 'ingest', 'web'] as const;

/** Of the owner, who need not be a superuser to have it run where it can read nothing. */
const sqlKind = `
  create schema works;
  create function works.middle(candles indicator.candle[], params jsonb) returns indicator.reading language sql immutable as
    $$ select row(array[(candles[1].high + candles[1].low) / 2], 0, 0, null, null, null)::indicator.reading $$;
  select indicator.define_sql_kind('works_sql', 'works.middle', 'Middle', 'Neutral',
    '[{"name": "middle", "unit": "price", "pane": "price"}]', '[{"plus": 1}]');
  select indicator.add('EUR_USD.SIM', '1s', 'works_sql')`;

/**
 * All processes run on a migrated database, and candles, values and a page that is well come of it; the owner maintains.
 * @param envOf What else a process is given.
 */
export async function expectWorks(
  url: string,
  envOf: (name: WorkerName) => Readonly<Record<string, string>> = () => ({}),
): Promise<void> {
  const sql = openDatabase({ url, process: 'test', logger: testLogger });
  const system = await startSystem({ url, sql });
  const port = await freePort();
  try {
    await Promise.all(
      processes.map(name =>
        system.start(
          name,
          name === 'ingest' ? ['--symbols', 'EUR_USD.SIM', '--history', '0'] : [],
          { ...envOf(name), PORT: String(port) },
        ),
      ),
    );
    await waitFor('instrument and kinds are there', () =>
      addAverages(sql, 'EUR_USD.SIM', '1s', { fast: 2, slow: 3 }),
    );
    await sql.unsafe(sqlKind);
    const seen = async () => {
      const [row] = await sql<[{ faults: string[]; has_candles: boolean; kinds: string[] }]>`
        select s.faults, exists (select from feed.candles('EUR_USD.SIM', '1m')) as has_candles,
          array(select distinct d.kind from indicator.values as v join indicator.definitions as d using (indicator_id)
            where v.value is not null) as kinds
        from ops.status as s`;
      return row;
    };
    await waitFor('all is well', seen, {
      deadlineMs: 60_000,
      until: ({ faults, has_candles, kinds }) =>
        faults.length === 0 &&
        has_candles &&
        kinds.includes('ma_cross') &&
        kinds.includes('works_sql'),
      explain: system.logs,
    });
    expect((await fetch(`http://127.0.0.1:${port}/readyz`)).status).toBe(200);
    await sql`call ops.apply_storage()`;
    await sql`call ops.reconcile(now() - interval '1 day', now())`;
  } finally {
    await system.stopAll();
    await sql.end({ timeout: 1 });
  }
}
