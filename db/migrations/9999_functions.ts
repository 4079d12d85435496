import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { MigrationBuilder } from 'node-pg-migrate';

/**
 * Always applied, always last: `migrate.ts` forgets it before each deploy. Functions and views are
 * what their files say now, so no versioned migration may call one. A trigger or a view that is so already
 * is left alone: to make it anew locks out who writes to its table or reads it, and all that come after them.
 */
export async function up(pgm: MigrationBuilder): Promise<void> {
  const { rows } = await pgm.db.query('select engine from ops.installation');
  const engine: unknown = rows[0]?.engine;
  const opening = new URL(`../engine/${String(engine)}/opening.sql`, import.meta.url);
  if (existsSync(opening)) pgm.sql(readFileSync(opening, 'utf8'));
  // A file may come before what its body calls.
  pgm.sql('set local check_function_bodies = off');
  for (const folder of [`engine/${String(engine)}/functions`, 'functions', 'views']) {
    for (const file of sqlFiles(folder)) pgm.sql(onlyChanges(readFileSync(file, 'utf8')));
  }
  pgm.sql(readFileSync(new URL('../closing.sql', import.meta.url), 'utf8'));
}

/** The file's statements, of which those that lock a relation have a condition. */
function onlyChanges(file: string): string {
  return file
    .replace(/^create or replace trigger [\s\S]*?;$/gm, makeTrigger)
    .replace(/^create or replace view [\s\S]*?;$/gm, makeView);
}

/** Made on a table that is nobody's, and on its own only where the database describes the two differently. */
function makeTrigger(statement: string): string {
  const candidate = statement
    .replace(' or replace', '')
    .replace(ofTrigger, ' on migration.candidate');
  const table = ofTrigger.exec(statement)?.[1];
  return `do $deploy$
begin
  create table migration.candidate (like ${table});
  ${candidate}
  if not exists (
    select from pg_trigger as t
    join pg_trigger as c on c.tgname = t.tgname and c.tgenabled = t.tgenabled and c.tgrelid = 'migration.candidate'::regclass
    where t.tgrelid = '${table}'::regclass
      and pg_get_triggerdef(t.oid) = replace(pg_get_triggerdef(c.oid), 'migration.candidate', t.tgrelid::regclass::text)
  ) then
    ${statement}
  end if;
  drop table migration.candidate;
end
$deploy$;`;
}

const ofTrigger = /\son ([\w.]+)/;

function makeView(statement: string): string {
  const [head = '', view] = /^create or replace view (\S+)/.exec(statement) ?? [];
  return `do $deploy$
begin
  create view migration.candidate${statement.slice(head.length)}
  if not exists (
    select from pg_class as v
    where v.oid = to_regclass('${view}') and v.reloptions is null
      and pg_get_viewdef(v.oid) = pg_get_viewdef('migration.candidate'::regclass)
  ) then
    ${statement}
  end if;
  drop view migration.candidate;
end
$deploy$;`;
}

/** Every SQL file below a folder of `db/`, in path order. */
export function sqlFiles(folder: string): string[] {
  const root = fileURLToPath(new URL(`../${folder}/`, import.meta.url));
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.sql'))
    .sort()
    .map(name => `${root}${name}`);
}
