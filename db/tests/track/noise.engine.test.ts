import { beforeAll, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import { registerCatalog } from '../../../tests/support/indicators.ts';
import { createRandom } from '../../../tests/support/random.ts';
import { defineMany, type Said, storeBlocks } from './blocks.ts';

const horizons = [1, 5, 20];
/** Enough that what is right lies within the bounds whatever the seed, nearly. */
const runs = 600;
/** Of a run, enough for the longest horizon. */
const candles = 1_250;
const planted = 4;
const plantedCandles = 5_000;
/** Indicators that are looked at together. */
const familySize = 10;

const random = createRandom(20_260_301);
const normal = () =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next());

/** A walk in which what is said follows where the price came from, as people look at it: it knows nothing. */
function noise(): { verdicts: number[]; levels: number[] } {
  const levels = [0];
  for (let index = 1; index < candles + 30; index++) levels.push((levels.at(-1) ?? 0) + normal());
  const verdicts = levels
    .slice(10, 10 + candles)
    .map((level, index) => Math.sign(level - (levels[index] ?? 0)));
  return { verdicts, levels: levels.slice(10) };
}

/** A walk that goes, by a tenth of its deviation, as was said at the candle before. */
function drift(): { verdicts: number[]; levels: number[] } {
  const levels = [0];
  const verdicts: number[] = [];
  let verdict = 1;
  for (let index = 0; index < plantedCandles + 20; index++) {
    if (random.next() < 0.05) verdict = -verdict;
    if (index < plantedCandles) verdicts.push(verdict);
    levels.push((levels.at(-1) ?? 0) + normal() + 0.1 * verdict);
  }
  return { verdicts, levels };
}

const saidOf = (
  indicatorId: number,
  { verdicts, levels }: { verdicts: number[]; levels: number[] },
): Said[] =>
  horizons.map(horizon => ({
    indicatorId,
    horizon,
    verdicts,
    moves: verdicts.map((_, index) =>
      Math.sign((levels[index + horizon] ?? 0) - (levels[index] ?? 0)),
    ),
  }));

describeOnEngine('What chance can do', ({ sql }) => {
  let noises: number[] = [];
  let drifts: number[] = [];

  beforeAll(async () => {
    await registerCatalog(sql);
    const ids = await defineMany(sql, await addInstrument(sql), runs + planted);
    noises = ids.slice(0, runs);
    drifts = ids.slice(runs);
    await storeBlocks(sql, [
      ...noises.flatMap(id => saidOf(id, noise())),
      ...drifts.flatMap(id => saidOf(id, drift())),
    ]);
    await sql`select track.judge(${ids}::int[])`;
  });

  it.each(horizons)('is in the interval 93 to 97 of 100 times, %d candles later', async horizon => {
    const rows = await sql<{ edge_low: number; edge_high: number; candles: number }[]>`
        select candles, edge_low, edge_high from track.record(null, '1m')
        where indicator_id = any (${noises}::int[]) and horizon = ${horizon}`;
    expect(rows).toHaveLength(runs);
    expect(new Set(rows.map(row => row.candles))).toEqual(new Set([candles]));
    const covered = rows.filter(row => row.edge_low <= 0 && row.edge_high >= 0).length / runs;
    expect(covered).toBeGreaterThanOrEqual(0.93);
    expect(covered).toBeLessThanOrEqual(0.97);
  });

  /** Of a family that nothing else is compared with, by horizon: how much is called evidence, or has a low p-value. */
  async function lookAt(
    ids: readonly number[],
  ): Promise<{ horizon: number; evidence: number; low: number }[]> {
    let found: { horizon: number; evidence: number; low: number }[] = [];
    await sql.begin(async own => {
      await own`delete from track.scores where indicator_id <> all (${ids}::int[])`;
      found = await own<typeof found>`
        select horizon, count(*) filter (where words like 'evidence%')::int as evidence,
          count(*) filter (where p_value <= 0.05)::int as low
        from track.record(null, '1m') where compared = ${ids.length} group by horizon order by horizon`;
      await own`rollback`;
    });
    expect(found.map(({ horizon }) => horizon)).toEqual(horizons);
    return found;
  }

  it('looks like evidence one by one, and in at most one of eight families once corrected', async () => {
    const families = [];
    for (let from = 0; from < runs; from += familySize)
      families.push(...(await lookAt(noises.slice(from, from + familySize))));
    const low = families.filter(family => family.low > 0).length;
    const evidence = families.filter(family => family.evidence > 0).length;
    expect(families).toHaveLength((runs / familySize) * horizons.length);
    expect(low).toBeGreaterThan(families.length / 4);
    expect(evidence).toBeLessThanOrEqual(families.length / 8);
  });

  it('is told from a drift of a tenth of the deviation', async () => {
    for (const [index, id] of drifts.entries()) {
      const family = [id, ...noises.slice(9 * index, 9 * index + familySize - 1)];
      const [next] = await lookAt(family);
      expect(next).toMatchObject({ horizon: 1 });
      expect(next?.evidence).toBeGreaterThanOrEqual(1);
      const [row] = await sql<{ p_value: number }[]>`
        select p_value from track.scores where indicator_id = ${id} and horizon = 1`;
      expect(row?.p_value).toBeLessThan(0.005);
    }
  });
});
