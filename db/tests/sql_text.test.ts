import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const folder = join(import.meta.dirname, '..');

/** The SQL files below db/ whose text has something. */
function filesWith(text: RegExp): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(file => file.endsWith('.sql') && text.test(readFileSync(join(folder, file), 'utf8')))
    .sort();
}

it('says in one place where buckets begin', () => {
  expect(filesWith(/date_bin|2000-01-03/)).toEqual(['functions/10_feed/bucket.sql']);
});
