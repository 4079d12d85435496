import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const folders = ['db', 'workers', 'web'];

/** Every TypeScript file of the three folders, with the files of ours that it imports. */
function imports(): { file: string; imported: string }[] {
  return folders.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .flatMap(name => {
        const file = join(folder, name);
        const text = readFileSync(join(root, file), 'utf8');
        return [...text.matchAll(/from '(\.[^']+)'/g)].map(([, path = '']) => ({
          file,
          imported: relative(root, join(root, dirname(file), path)),
        }));
      }),
  );
}

const isTest = (file: string): boolean =>
  /\.test\.ts$/.test(file) || file.includes('/tests/') || file.includes('fixture');

describe('the arrows between folders', () => {
  const arrows = imports().filter(({ file }) => !isTest(file));

  it('has files to look at', () => {
    expect(arrows.length).toBeGreaterThan(50);
  });

  it.each([
    ['db', 'workers'],
    ['db', 'web'],
    ['workers', 'web'],
    ['web', 'workers'],
  ])('%s imports nothing from %s', (from, to) => {
    const wrong = arrows.filter(
      ({ file, imported }) => file.startsWith(`${from}/`) && imported.startsWith(`${to}/`),
    );
    expect(wrong).toEqual([]);
  });

  it('lets only main files read the configuration', () => {
    const readers = imports()
      .filter(({ file, imported }) => imported === 'db/runtime/config.ts' && !isTest(file))
      .map(({ file }) => file)
      .filter(file => !file.endsWith('main.ts') && !file.startsWith('db/'));
    expect(readers).toEqual(['workers/ingest/sources.ts']);
  });

  it('has no drawer for various things', () => {
    const names = folders.flatMap(folder =>
      readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }),
    );
    expect(names.filter(name => /(^|\/)(utils?|common|helpers?|types)(\.ts)?$/.test(name))).toEqual(
      [],
    );
  });
});
