import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const db = join(import.meta.dirname, '..');

interface Signature {
  /** What callers see: kind, arguments with their defaults, result, volatility. */
  readonly text: string;
  readonly comment: string;
}

/** The functions of one engine by their names. */
function signaturesOf(engine: 'postgres' | 'timescaledb'): Map<string, Signature> {
  const folder = join(db, 'engine', engine, 'functions');
  return new Map(
    readdirSync(folder).map(file => {
      const sql = readFileSync(join(folder, file), 'utf8');
      const head = /^create or replace ((?:function|procedure) [\w.]+\([^;]*?)\nlanguage \w+/m.exec(
        sql,
      );
      const volatility = /^(immutable|stable|volatile)$/m.exec(sql)?.[1] ?? 'volatile';
      const comment = /^comment on (?:function|procedure) ([\w.]+\([^)]*\))/m.exec(sql);
      return [
        file.replace(/\.sql$/, ''),
        {
          text: `${head?.[1]?.replace(/\s+/g, ' ')} ${volatility}`,
          comment: comment?.[1] ?? '',
        },
      ];
    }),
  );
}

/** Everything that is not of one engine. */
const others = [
  'functions',
  'views',
  'migrations',
  'tests',
  '../workers',
  '../web',
  '../lab',
  '../tests',
]
  .flatMap(folder =>
    readdirSync(join(db, folder), { recursive: true, encoding: 'utf8' })
      .filter(file => /\.(sql|ts)$/.test(file) && !file.includes('node_modules'))
      .map(file => readFileSync(join(db, folder, file), 'utf8')),
  )
  .concat(readFileSync(join(db, 'closing.sql'), 'utf8'));
const isCalled = (name: string): boolean =>
  others.some(text => new RegExp(`\\bfeed\\.${name}\\(`).test(text));

describe('The engines', () => {
  const postgres = signaturesOf('postgres');
  const timescaledb = signaturesOf('timescaledb');
  const names = [...new Set([...postgres.keys(), ...timescaledb.keys()])].sort();
  const shared = names.filter(name => postgres.has(name) && timescaledb.has(name));

  it('have files whose signatures are read', () => {
    expect(shared.length).toBeGreaterThan(10);
    for (const name of names) {
      const { text, comment } = postgres.get(name) ?? timescaledb.get(name) ?? {};
      expect(text).toMatch(new RegExp(`^(function|procedure) feed\\.${name}\\(`));
      expect(comment).toMatch(new RegExp(`^feed\\.${name}\\(`));
    }
  });

  it.each(shared)('define feed.%s with equal names, arguments, result and volatility', name => {
    expect(postgres.get(name)).toEqual(timescaledb.get(name));
  });

  it('share every function that somebody else calls', () => {
    const alone = names.filter(name => !shared.includes(name));
    expect(alone.filter(isCalled)).toEqual([]);
  });
});
