import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describeOnEngine } from './support/database.ts';
import { type System, startSystem } from './support/system.ts';
import { waitFor } from './support/wait.ts';
import { blocksOf } from './support/written.ts';

const root = join(import.meta.dirname, '..');
const blocks = blocksOf(new URL('../docs/your-own-indicators.md', import.meta.url));
const written = (language: string): string[] =>
  blocks.filter(each => each.language === language).map(({ code }) => code);

describeOnEngine('docs/your-own-indicators.md', database => {
  const { sql } = database;
  let system: System;

  beforeAll(async () => {
    system = await startSystem(database);
    await Promise.all([
      system.start('upkeep'),
      system.start('publish'),
      system.start('indicators', ['--service', 'sql']),
    ]);
  });
  afterAll(() => system.stopAll());

  it('has a SQL function that is computed, live and on history, and taken away', async () => {
    const [make = '', define = '', ask = '', remove = '', ...more] = written('sql');
    expect(more).toEqual([]);
    await sql.unsafe(make);
    await sql.unsafe(define);
    const newest = await waitFor('its value is there', () => sql.unsafe(ask), {
      until: ([row]) => row?.bars === 3,
      explain: system.logs,
    });
    expect([...newest]).toEqual([
      { label: 'Close location 3', value: 1, reading: 'bullish', strength: 1, bars: 3 },
    ]);
    const valuesOf = () => sql`
      select v.bucket, v.outputs, v.verdict, v.strength, v.bars from indicator.values as v
      join indicator.definitions as d using (indicator_id) where d.kind = 'close_location' order by v.bucket`;
    await system.settled();
    const live = [...(await valuesOf())];
    expect(live).toHaveLength(10);
    await sql`select ops.recompute(d.indicator_id) from indicator.definitions as d where d.kind = 'close_location'`;
    await system.settled();
    expect([...(await valuesOf())]).toEqual(live);
    await sql.unsafe(remove);
    expect(await sql`select from indicator.kinds where kind = 'close_location'`).toHaveLength(0);
  });

  it('tells of a function that fails, with the name of its kind, and goes on with the others', async () => {
    const [make = '', define = ''] = written('sql');
    await sql.unsafe(make);
    await sql.unsafe(define.replaceAll('LOCATION', 'BROKEN'));
    await system.settled();
    const broken = make
      .replace('create schema mine;', '')
      .replace('create function', 'create or replace function')
      .replace('nullif(s.high - s.low, 0)', '0');
    await sql.unsafe(`${broken}; ${define.slice(0, define.indexOf(';'))}`);
    await sql`insert into feed.ticks (instrument_id, observed_at, bid) select feed.instrument_id('BROKEN'), now(), 7`;
    const letters = await waitFor(
      'it is told',
      () => sql`
        select subscription, reason from ops.dead_letters where reason like 'not_computed%'`,
      { deadlineMs: 90_000, until: rows => rows.length > 0, explain: system.logs },
    );
    expect(letters[0]).toMatchObject({
      subscription: 'indicators.sql',
      reason: expect.stringMatching(
        /\(close_location\) cannot be computed at .*mine\.close_location: division by zero/,
      ),
    });
    const [status] = await sql<{ faults: string[] }[]>`select faults from ops.status`;
    expect(status?.faults).toContainEqual(
      expect.stringMatching(/^service sql refused or set aside .*\(close_location\)/),
    );
  });

  it('has a TypeScript file that computes the same', () => {
    const [file = '', ...more] = written('ts');
    expect(more).toEqual([]);
    const folder = mkdtempSync(join(tmpdir(), 'foresight-own-'));
    try {
      // Where it says it belongs, beside the real contract.
      mkdirSync(join(folder, 'catalog', 'volatility'), { recursive: true });
      symlinkSync(join(root, 'workers', 'indicators', 'kind.ts'), join(folder, 'kind.ts'));
      const path = join(folder, 'catalog', 'volatility', 'close_location.ts');
      writeFileSync(path, file);
      const script = `import { closeLocation } from ${JSON.stringify(path)};
        const columns = { high: [98, 99, 100], low: [98, 99, 100], close: [98, 99, 100] };
        const params = { bars: 3, upper: 0.8 };
        console.log(JSON.stringify([closeLocation.kind, closeLocation.compute(columns, params)]));`;
      const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], {
        encoding: 'utf8',
        timeout: 60_000,
      });
      expect(JSON.parse(said)).toEqual([
        'close_location',
        { outputs: [1], verdict: 1, strength: 1 },
      ]);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it('has nothing else that would be run', () => {
    expect(blocks.map(({ language }) => language)).toEqual(['sql', 'sql', 'sql', 'sql', 'ts']);
  });
});
