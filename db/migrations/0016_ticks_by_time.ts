import { readFileSync } from 'node:fs';
import type { MigrationBuilder } from 'node-pg-migrate';

/** TimescaleDB stores candles a range of time at once, whosever ticks they are; plain PostgreSQL an instrument at a time. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  const { rows } = await pgm.db.query('select engine from ops.installation');
  const engine: unknown = rows[0]?.engine;
  if (engine !== 'timescaledb') return;
  const file = new URL('../engine/timescaledb/migrations/0016_ticks_by_time.sql', import.meta.url);
  pgm.sql(readFileSync(file, 'utf8'));
}
