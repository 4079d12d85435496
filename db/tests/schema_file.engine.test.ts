import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { describeOnEngine } from '../../tests/support/database.ts';
import { describeSchema, schemaOf } from '../schema.ts';

describeOnEngine('db/schema.sql', ({ sql, engine }) => {
  it('tells what a migrated database holds', async () => {
    const text = readFileSync(new URL('../schema.sql', import.meta.url), 'utf8');
    expect(await describeSchema(sql), 'run npm run db:schema, and commit what it writes').toBe(
      schemaOf(engine, text),
    );
  });
});

describeOnEngine('The description of a schema', ({ sql }) => {
  it('is another when a column, a check or a right is another', async () => {
    const before = await describeSchema(sql);
    await sql`alter table feed.coverage add column remark text`;
    await sql`alter table feed.sources drop constraint source_is_a_short_code`;
    await sql`grant insert on feed.sources to foresight_web`;
    const after = await describeSchema(sql);
    expect(after.split('\n').filter(line => !before.includes(line))).toEqual([
      '  remark text,',
      'grant insert on feed.sources to foresight_web;',
    ]);
    expect(after).not.toContain('source_is_a_short_code');
  });
});
