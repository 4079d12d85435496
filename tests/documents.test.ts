import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeCatalog } from '../workers/indicators/catalog/tests/document.ts';
import { catalog } from '../workers/indicators/catalog.ts';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const filesIn = (folder: string, pattern: RegExp): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => pattern.test(name))
    .map(name => join(folder, name));

const documents = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  'THIRD_PARTY_NOTICES.md',
  'db/README.md',
  ...filesIn('docs', /\.md$/),
  ...filesIn('examples', /\.md$/),
];
const scripts = filesIn('db', /\.sql$/).filter(file => file !== 'db/schema.sql');

/** What stands in a document between two patterns. */
function part(file: string, from: RegExp, to: RegExp): string {
  const text = read(file);
  const begin = text.search(from);
  expect(begin, `${file} has ${from}`).toBeGreaterThan(-1);
  const rest = text.slice(begin + 1);
  return rest.slice(0, rest.search(to) + 1 || undefined);
}

const quoted = (text: string): string[] =>
  [...text.replaceAll(/```(?:.|\n)*?```/g, '').matchAll(/`([^`]+)`/g)].map(([, word = '']) => word);

describe('The documents', () => {
  it('link to files that exist', () => {
    const broken = documents.flatMap(file =>
      [...read(file).matchAll(/\]\((?!https?:|#)([^)#]+)/g)]
        .map(([, link = '']) => join(dirname(file), link))
        .filter(path => !existsSync(join(root, path)))
        .map(path => `${file}: ${path}`),
    );
    expect(broken).toEqual([]);
  });

  it('tell how many kinds of indicators there are', () => {
    const told = ['README.md', 'CHANGELOG.md'].map(file => /\b(\d+) kinds\b/.exec(read(file))?.[1]);
    expect(told).toEqual([`${catalog.size}`, `${catalog.size}`]);
  });

  it('describe the kinds of indicators as the catalogue has them', () => {
    expect(read('docs/indicators.md'), 'npm run docs:indicators').toBe(describeCatalog());
  });

  it('name commands that exist', () => {
    const { scripts: commands } = JSON.parse(read('package.json')) as {
      scripts: Record<string, string>;
    };
    const unknown = documents.flatMap(file =>
      [...read(file).matchAll(/\bnpm run ([a-z][a-z:]*)/g)]
        .map(([, command = '']) => command)
        .filter(command => commands[command] === undefined)
        .map(command => `${file}: npm run ${command}`),
    );
    expect(unknown).toEqual([]);
  });

  it('name files of ours that exist', () => {
    const rooms = /^(db|workers|web|start|tests|lab|docs|examples)\/[\w./<>-]*$/;
    const absent = ['README.md', 'CONTRIBUTING.md', 'db/README.md', 'docs/performance.md'].flatMap(
      file =>
        quoted(read(file))
          .filter(word => rooms.test(word) && !existsSync(join(root, word)))
          .map(word => `${file}: ${word}`),
    );
    // Comes with the first release.
    expect(absent).toEqual(['CONTRIBUTING.md: db/migrations/frozen.txt']);
  });
});

describe("The README's table of the data's way", () => {
  const words = quoted(part('README.md', /^## The data's way/m, /\n\n(?!\|)\w/));

  it('names folders that exist', () => {
    const folders = words.filter(word => word.endsWith('/'));
    expect(folders.length).toBeGreaterThan(3);
    expect(folders.filter(folder => !existsSync(join(root, folder)))).toEqual([]);
  });

  it('names schemas that exist', () => {
    const foundation = read('db/migrations/0001_foundation.sql');
    const named = words.filter(word => /^[a-z]+\.\S/.test(word)).map(word => word.split('.')[0]);
    expect(named.length).toBeGreaterThan(3);
    expect(named.filter(schema => !foundation.includes(`create schema ${schema};`))).toEqual([]);
  });
});

describe('db/README.md', () => {
  it('tells the whole contract of the engines', () => {
    const functionsOf = (engine: string): string[] =>
      readdirSync(join(root, `db/engine/${engine}/functions`));
    const timescaledb = functionsOf('timescaledb');
    const contract = functionsOf('postgres')
      .filter(name => timescaledb.includes(name) && !name.startsWith('tg_'))
      .map(name => `feed.${name.replace('.sql', '')}`);
    const table = part('db/README.md', /^\| function/m, /\n\n/);
    const told = table.split('\n').flatMap(line => quoted(line.split('|')[1] ?? ''));
    expect(told.sort()).toEqual(contract.sort());
  });

  it('lists exactly the error codes that there are', () => {
    const raised = scripts.flatMap(file =>
      [...read(file).matchAll(/errcode (?::?=) '([A-Z]{5})'/g)].map(([, code]) => code),
    );
    const table = part('db/README.md', /^\| code/m, /\n\n/);
    const listed = table.split('\n').flatMap(line => quoted(line.split('|')[1] ?? ''));
    expect(listed.sort()).toEqual([...new Set(raised)].sort());
  });
});

describe('SQL and documents', () => {
  /** Made while something runs, or by the engine for each timeframe. */
  const unlisted = /^feed\.candles_|\.(ts|sql|md|png)$/;

  it('name only objects that there are', () => {
    const there = new Set(
      [...read('db/schema.sql').matchAll(/^create \w+ (\w+\.\w+)/gm)].map(([, name]) => name),
    );
    // What a soak or a benchmark found is told in the words of its day.
    const current = documents.filter(file => !/soak|benchmark/.test(file));
    const absent = [...current, ...scripts].flatMap(file =>
      [...read(file).matchAll(/\b(feed|outbox|indicator|rating|alert|dashboard|ops)\.[a-z_]+/g)]
        // A function names its arguments after itself.
        .filter(([, word]) => !file.endsWith(`/${word}.sql`))
        .map(([name]) => name)
        .filter(name => !there.has(name) && !unlisted.test(name))
        .map(name => `${file}: ${name}`),
    );
    expect(absent, 'of a new object tells db/schema.sql: npm run db:schema').toEqual([]);
  });
});
