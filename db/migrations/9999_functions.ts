import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MigrationBuilder } from 'node-pg-migrate';

/**
 * Always applied, always last: `migrate.ts` forgets it before each deploy. Functions and views are
 * what their files say now, so no versioned migration may call one.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  const { rows } = await pgm.db.query('select engine from ops.installation');
  const engine: unknown = rows[0]?.engine;
  const opening = new URL(`../engine/${String(engine)}/opening.sql`, import.meta.url);
  if (existsSync(opening)) pgm.sql(readFileSync(opening, 'utf8'));
  // A file may come before what its body calls.
  pgm.sql('set local check_function_bodies = off');
  for (const folder of [`engine/${String(engine)}/functions`, 'functions', 'views']) {
    for (const file of sqlFiles(folder)) pgm.sql(readFileSync(file, 'utf8'));
  }
  pgm.sql(readFileSync(new URL('../closing.sql', import.meta.url), 'utf8'));
}

/** Every SQL file below a folder of `db/`, in path order. */
export function sqlFiles(folder: string): string[] {
  const root = fileURLToPath(new URL(`../${folder}/`, import.meta.url));
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.sql'))
    .sort()
    .map(name => `${root}${name}`);
}
