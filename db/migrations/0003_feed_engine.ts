import { readFileSync } from 'node:fs';
import type { MigrationBuilder } from 'node-pg-migrate';

/** What the two engines need once: each has a file of its own. */
export async function up(pgm: MigrationBuilder): Promise<void> {
  const { rows } = await pgm.db.query('select engine from ops.installation');
  const engine: unknown = rows[0]?.engine;
  const file = new URL(
    `../engine/${String(engine)}/migrations/0003_feed_engine.sql`,
    import.meta.url,
  );
  pgm.sql(readFileSync(file, 'utf8'));
}
