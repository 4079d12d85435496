import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const howToAdd =
  'A migration that was merged is never changed: write a new one. To freeze a new one, append its line:\n' +
  '  (cd db && sha256sum migrations/00NN_name.sql >> migrations/frozen.txt)';

it('Merged migrations stay as they are', () => {
  const files = [
    ...readdirSync(`${root}migrations`).map(file => `migrations/${file}`),
    ...['timescaledb', 'postgres'].flatMap(engine =>
      readdirSync(`${root}engine/${engine}/migrations`).map(
        file => `engine/${engine}/migrations/${file}`,
      ),
    ),
  ].filter(file => /\/\d{4}_\w+\.(sql|ts)$/.test(file) && !file.includes('/9999_'));
  const now = files.map(file => `${sha256(`${root}${file}`)}  ${file}`);
  const frozen = readFileSync(`${root}migrations/frozen.txt`, 'utf8').trim().split('\n');
  expect(now.sort(), howToAdd).toEqual(frozen.sort());
});

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}
