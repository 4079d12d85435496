import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const folder = join(import.meta.dirname, '..');

/** The SQL files below db/ whose text has something. */
function filesWith(text: RegExp): string[] {
  return (
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      // db/schema.sql repeats what the others say.
      .filter(
        file =>
          file.includes('/') &&
          file.endsWith('.sql') &&
          text.test(readFileSync(join(folder, file), 'utf8')),
      )
      .sort()
  );
}

it('says in one place where buckets begin', () => {
  expect(filesWith(/date_bin|2000-01-03/)).toEqual(['functions/10_feed/bucket.sql']);
});

it('has one place that reads candles by a name that is put together', () => {
  // A relation whose name is filled in, or candles by a name that need not be there.
  const reads = filesWith(/\b(from|join)\s+feed\.(candles_|%)/);
  expect(reads).toContain('engine/postgres/functions/create_candles.sql');
  expect(reads.filter(file => !file.startsWith('engine/'))).toEqual([
    'functions/10_feed/read_candles.sql',
    // Compares whole rows with the ticks.
    'functions/90_ops/compare_candles.sql',
  ]);
});
