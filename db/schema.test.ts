import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mergeSchemas, schemaOf } from './schema.ts';

const schema = (...blocks: string[]): string => `${['-- head', ...blocks].join('\n\n')}\n`;

const postgres = schema(
  'create schema feed;',
  'create table feed.candles (\n  bucket timestamptz not null\n);',
  '-- Ours.\ncreate function feed.own() returns int;',
  '-- Ticks.\ncreate table feed.ticks (\n  bid int,\n  ask int\n);\ncreate trigger keep;',
);
const timescaledb = schema(
  'create schema feed;',
  'create view feed.candles (\n  bucket timestamptz\n);',
  '-- Ticks.\ncreate table feed.ticks (\n  bid int,\n  ask int\n);\ncreate index by_time;',
);

describe('The schemas of two engines in one text', () => {
  const merged = mergeSchemas(postgres, timescaledb);
  const body = (text: string) => text.split('\n\n').slice(1);

  it('tell once what is the same, and mark what is not', () => {
    expect(body(merged)).toEqual([
      'create schema feed;',
      '-- [postgres]\ncreate table feed.candles (\n  bucket timestamptz not null\n);',
      '-- [timescaledb]\ncreate view feed.candles (\n  bucket timestamptz\n);',
      '-- [postgres]\n-- Ours.\ncreate function feed.own() returns int;',
      '-- Ticks.\ncreate table feed.ticks (\n  bid int,\n  ask int\n);\ncreate trigger keep; -- [postgres]\ncreate index by_time; -- [timescaledb]\n',
    ]);
  });

  it('can be had back whole', () => {
    expect(body(schemaOf('postgres', merged))).toEqual(body(postgres));
    expect(body(schemaOf('timescaledb', merged))).toEqual(body(timescaledb));
  });

  it('can be had back from the file, and merged to it again', () => {
    const file = readFileSync(new URL('./schema.sql', import.meta.url), 'utf8');
    expect(mergeSchemas(schemaOf('postgres', file), schemaOf('timescaledb', file))).toBe(file);
  });
});
