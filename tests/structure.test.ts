import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const read = (file: string): string => readFileSync(join(root, file), 'utf8');

/** Every room may import from those after its own step, never from one beside it. */
const steps = [['lab'], ['tests'], ['start'], ['workers', 'web'], ['db']];
const rooms = steps.flat();
const roomOf = (file: string): string => file.split('/')[0] ?? '';
const stepOf = (file: string): number => steps.findIndex(step => step.includes(roomOf(file)));

/** A test beside the code, or its support, may use what tests the whole system; nothing else may use it. */
const isTest = (file: string): boolean => /\.test\.ts$|\/tests\//.test(file);

function filesIn(folder: string, extension: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith(extension))
    .map(name => join(folder, name))
    .sort();
}

const programs = rooms.flatMap(room => filesIn(room, '.ts'));

/** The files of ours that a file imports, for their types too. */
function importsOf(file: string): string[] {
  const found = read(file).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'/g);
  return [...found].map(([, path = '']) => relative(root, join(root, dirname(file), path)));
}

const imports = new Map(programs.map(file => [file, importsOf(file)]));
const arrows = [...imports].flatMap(([from, all]) => all.map(to => ({ from, to })));
const inProduction = arrows.filter(({ from }) => !isTest(from));

describe('TypeScript', () => {
  it('is found, with what it imports', () => {
    expect(inProduction.length).toBeGreaterThan(200);
    expect(arrows.filter(({ to }) => !imports.has(to))).toEqual([]);
  });

  it('imports one way: lab, tests, start, then workers and web side by side, then db', () => {
    const wrong = inProduction.filter(
      ({ from, to }) => roomOf(from) !== roomOf(to) && stepOf(from) >= stepOf(to),
    );
    expect(wrong).toEqual([]);
  });

  it('imports nothing of the lab from elsewhere, into tests neither', () => {
    const wrong = arrows.filter(({ from, to }) => roomOf(to) === 'lab' && roomOf(from) !== 'lab');
    expect(wrong).toEqual([]);
  });

  it('imports no test and no support of one into what runs', () => {
    const wrong = inProduction.filter(({ from, to }) => isTest(to) && stepOf(from) > 1);
    expect(wrong).toEqual([]);
  });

  it('imports in no circle, for a type neither', () => {
    expect(circles()).toEqual([]);
  });

  it('reads the configuration in main files only', () => {
    const readers = inProduction
      .filter(({ from, to }) => to === 'db/runtime/config.ts' && !/main\.ts$|^db\//.test(from))
      .map(({ from }) => from);
    expect(readers).toEqual(['start/checks.ts', 'workers/ingest/source.ts']);
  });

  it('opens databases and queues in main files only', () => {
    const openers = programs
      .filter(file => stepOf(file) > 1 && !isTest(file) && !file.endsWith('main.ts'))
      .filter(file => /\b(openDatabase|openPgPool|openQueue)\(/.test(read(file)))
      .filter(file => !['db/runtime/database.ts', 'workers/queue.ts'].includes(file));
    expect(openers).toEqual([]);
  });

  it('has no drawer for various things', () => {
    const names = rooms.flatMap(room =>
      readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }),
    );
    const drawers = names.filter(name => /(^|\/)(utils?|common|helpers?|types)(\.ts)?$/.test(name));
    expect(drawers).toEqual([]);
  });
});

/** Each circle of imports once, as the files on the way round. */
function circles(): string[] {
  const found: string[] = [];
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (file: string): void => {
    if (way.includes(file)) found.push([...way.slice(way.indexOf(file)), file].join(' -> '));
    if (done.has(file) || way.includes(file)) return;
    way.push(file);
    for (const next of imports.get(file) ?? []) visit(next);
    way.pop();
    done.add(file);
  };
  for (const file of programs) visit(file);
  return found;
}

/** In the order in which they may name each other: every schema only those before it. */
const schemas = [
  'feed',
  'source',
  'outbox',
  'indicator',
  'rating',
  'track',
  'alert',
  'ops',
  'dashboard',
];

/** What is named against the order on purpose. */
const meant = new Map([
  // A statement that adds ticks marks what it changed: law 4 begins in the transaction of the ticks.
  ['db/functions/10_feed/tg_ticks__mark_changes.sql', ['outbox']],
  // A service in any language says with one call that it lives, and hears when there is work.
  ['db/functions/30_indicator/beat.sql', ['ops']],
  // Why there is no verdict: nobody computes, which only heartbeats tell.
  ['db/functions/30_indicator/absences.sql', ['ops']],
]);

describe('SQL', () => {
  const scripts = ['functions', 'views', 'engine', 'migrations'].flatMap(folder =>
    filesIn(`db/${folder}`, '.sql'),
  );
  const against = new Map(
    scripts.map(file => [file, namedAgainstTheOrder(file)] as const).filter(([, all]) => all[0]),
  );
  const excused = (file: string): readonly string[] => meant.get(file) ?? [];

  it('is found, with a schema of its own', () => {
    expect(scripts.length).toBeGreaterThan(100);
    expect(scripts.filter(file => !schemas.includes(schemaOf(file)))).toEqual([]);
  });

  it('names no schema that comes after its own, in what it does and in what it says', () => {
    const wrong = [...against]
      .map(([file, all]) => [file, all.filter(schema => !excused(file).includes(schema))] as const)
      .filter(([, all]) => all.length > 0);
    expect(wrong).toEqual([]);
  });

  it('keeps no excuse that is not needed any more: take it out of the list above', () => {
    const unneeded = [...meant.keys()].flatMap(file =>
      excused(file)
        .filter(schema => !against.get(file)?.includes(schema))
        .map(schema => `${file}: ${schema}`),
    );
    expect(unneeded).toEqual([]);
  });
});

/** By the folder, or the file of the foundation that makes it. */
function schemaOf(file: string): string {
  if (file.startsWith('db/engine/')) return 'feed';
  const [, name = ''] = /\d\d_([a-z]+)(?:\/|\.sql$|_)/.exec(file) ?? [];
  // The foundation makes all schemas, and the roles that may use them.
  return name === 'foundation' ? 'dashboard' : name;
}

/** Comments, of the file or of the object, may tell who uses it. */
function namedAgainstTheOrder(file: string): string[] {
  const text = read(file)
    .replaceAll(/--.*$/gm, '')
    .replaceAll(/^comment on [^;]*?\sis\s+'(?:[^']|'')*'\s*;/gm, '');
  const after = schemas.slice(schemas.indexOf(schemaOf(file)) + 1);
  return after.filter(schema => new RegExp(`\\b${schema}\\.\\w`).test(text));
}

describe('The queue and the subscription of a service', () => {
  it('are named by its registration, and nowhere else', () => {
    const named = /'foresight-|'indicators\.|\bname = 'indicators|subscribe\(\s*'indicators/;
    const files = [...filesIn('db', '.sql'), ...programs.filter(file => stepOf(file) > 1)];
    const naming = files.filter(file => !isTest(file) && named.test(read(file)));
    expect(naming.sort()).toEqual([
      'db/functions/30_indicator/register_service.sql',
      'db/functions/30_indicator/subscription_of.sql',
    ]);
  });
});

describe('The two engines', () => {
  const engines = ['postgres', 'timescaledb'];
  const [plain = new Map(), timescale = new Map()] = engines.map(
    engine =>
      new Map(filesIn(`db/engine/${engine}/functions`, '.sql').map(file => [nameOf(file), file])),
  );
  const shared = [...plain.keys()].filter(name => timescale.has(name));

  it('offer the same functions with the same arguments and results', () => {
    expect(shared.length).toBeGreaterThan(8);
    for (const name of shared) {
      expect(signature(timescale.get(name)), name).toBe(signature(plain.get(name)));
    }
  });

  it('keep to themselves what only one of them has', () => {
    for (const [engine, own, other] of [
      ['postgres', plain, timescale],
      ['timescaledb', timescale, plain],
    ] as const) {
      const elsewhere = [...filesIn('db', '.sql'), ...programs].filter(
        file =>
          !file.startsWith(`db/engine/${engine}/`) && !isTest(file) && file !== 'db/schema.sql',
      );
      for (const name of own.keys()) {
        if (other.has(name)) continue;
        const word = new RegExp(`\\bfeed\\.${name}\\b`);
        expect(
          elsewhere.filter(file => word.test(read(file))),
          name,
        ).toEqual([]);
      }
    }
  });
});

function nameOf(file: string): string {
  return /(\w+)\.sql$/.exec(file)?.[1] ?? '';
}

/** From `create` to the language, in one line. */
function signature(file: string): string {
  const [, text = ''] = /^create or replace ((?:.|\n)*?)\s+language\b/m.exec(read(file)) ?? [];
  expect(text, file).not.toBe('');
  return text.replaceAll(/\s+/g, ' ');
}
