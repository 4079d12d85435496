import { readFileSync } from 'node:fs';
import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { registerCatalog } from '../../../tests/support/indicators.ts';
import { defineMany, storeBlocks } from './blocks.ts';

const judged = [
  'hit_rate',
  'base_rate',
  'edge_low',
  'edge_high',
  'p_value',
  'adjusted_p_value',
] as const;

/** `+`, `0` and `-` per candle, and what another implementation makes of it. */
type Case = { readonly verdicts: string; readonly moves: string } & Readonly<
  Record<(typeof judged)[number], number>
>;

interface Golden {
  /** Which implementation. */
  readonly made_by: string;
  readonly horizon: number;
  readonly cases: readonly Case[];
  readonly p_values: readonly { readonly t: number; readonly p_value: number }[];
}

const { horizon, cases, p_values }: Golden = JSON.parse(
  readFileSync(new URL('golden.json', import.meta.url), 'utf8'),
);

const signs = (text: string) => [...text].map(sign => '-0+'.indexOf(sign) - 1);

describeOnEngine('The golden vectors of the track record', ({ sql }) => {
  let ids: number[] = [];

  beforeAll(async () => {
    await registerCatalog(sql);
    ids = await defineMany(sql, await addInstrument(sql), cases.length);
    await storeBlocks(
      sql,
      cases.map(({ verdicts, moves }, index) => ({
        indicatorId: ids[index] ?? 0,
        horizon,
        verdicts: signs(verdicts),
        moves: signs(moves),
      })),
    );
    await sql`select track.judge(${ids}::int[])`;
  });

  it.each([...cases.keys()])('hold for case %d', async index => {
    const expected = cases[index];
    const [row] = await sql<Record<(typeof judged)[number] | 'candles' | 'verdicts', number>[]>`
      select r.* from track.record_of(${ids[index] ?? 0}) as r where not r.as_said and r.horizon = ${horizon}`;
    expect(row?.candles).toBe(expected?.verdicts.length);
    expect(row?.verdicts).toBe(expected?.verdicts.replaceAll('0', '').length);
    for (const name of judged)
      expect(Math.abs((row?.[name] ?? Number.NaN) - (expected?.[name] ?? 0)), name).toBeLessThan(
        1e-12,
      );
  });

  it.each(p_values)('hold for t = $t', async ({ t, p_value }) => {
    const [row] = await sql<[{ p: number }]>`select track.p_value(${t}::float8) as p`;
    expect(Math.abs(row.p - p_value)).toBeLessThan(1e-14);
  });

  it('hold when finer blocks went, of a time that is given up', async () => {
    const [id = 0] = ids;
    const long = 45_000;
    const { verdicts = '', moves = '' } = cases[0] ?? {};
    const repeated = (text: string) => signs(text.repeat(40)).slice(0, long);
    await storeBlocks(sql, [
      { indicatorId: id, horizon: 1, verdicts: repeated(verdicts), moves: repeated(moves) },
    ]);
    const judge = async () => {
      await sql`select track.judge(${[id]}::int[])`;
      return (await sql`select * from track.scores where indicator_id = ${id} and horizon = 1`)[0];
    };
    const levels = async (horizon: number) =>
      (
        await sql<{ count: number }[]>`
          select count(*)::int from track.blocks where indicator_id = ${id} and horizon = ${horizon} group by level order by level`
      ).map(row => row.count);
    const before = await judge();
    expect(before).toMatchObject({ candles: long });
    const [finest = 0, ...coarser] = await levels(1);
    const others = await levels(horizon);
    expect(finest).toBe(Math.ceil(long / 16));
    // A block that is cut in two stays.
    await sql`update feed.storage set floor_at = '2024-01-03 01:05Z' where level = 'values'`;
    expect(await judge()).toEqual(before);
    const gone = Math.floor((49 * 60 + 5) / 16);
    expect(await levels(1)).toEqual([finest - gone, ...coarser]);
    expect(await levels(horizon)).toEqual(others);
    expect(await judge()).toEqual(before);
  });
});
