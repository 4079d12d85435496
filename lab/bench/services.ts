import type { Sql } from '../../db/runtime/database.ts';
import { catalog } from '../../workers/indicators/catalog.ts';
import type { Params } from '../../workers/indicators/kind.ts';
import type { Database } from './database.ts';
import type { Figure } from './figures.ts';
import { loadTimes, measureRate, withPipeline } from './latency.ts';
import { backfilled, type Pipeline, preparePipeline, settled } from './pipeline.ts';

const part = 'services';
const rate = 1_000;

interface Wanted {
  readonly timeframe: string;
  readonly kind: string;
  readonly params: Params;
}

/** What there is beside the two hundred moving-average crosses, whose newest values are measured. */
interface Case {
  readonly name: string;
  readonly wanted: readonly Wanted[];
  /** They go on with their history while it is measured. */
  readonly hasHistory: boolean;
}

/** Of what is measured, the begins of the names that are told. */
const told = ['due -> value, ', 'backlog at the end: candles to compute', 'CPU'];

const periods = [20, 30, 40, 50, 60];
const ofSeconds = (kind: string) => (period: number) => ({
  timeframe: '1s',
  kind,
  params: { period },
});
const cases: readonly Case[] = [
  { name: 'nothing else', wanted: [], hasHistory: false },
  {
    name: 'every kind in three timeframes',
    wanted: [...catalog.keys()].flatMap(kind =>
      ['1m', '5m', '15m'].map(timeframe => ({ timeframe, kind, params: {} })),
    ),
    hasHistory: false,
  },
  {
    name: 'a history of the other service',
    wanted: periods.map(ofSeconds('drift')),
    hasHistory: true,
  },
  { name: 'a history of its own', wanted: periods.map(ofSeconds('rsi')), hasHistory: true },
];

/** How fresh the values of a service are while it, or the other one, has more to do. */
export async function measureServices(database: Database, isQuick: boolean): Promise<Figure[]> {
  const { sql } = database;
  const pipeline = await preparePipeline(database);
  return withPipeline(database, pipeline, async setting => {
    const figures: Figure[] = [];
    await backfilled(sql, 60_000);
    for (const [place, { name, wanted, hasHistory }] of cases.entries()) {
      const ids = await addAll(sql, pipeline, wanted);
      if (!hasHistory) await settled(sql);
      const load = { part, rate, firstNumber: 1 + place * 100_000, ...loadTimes(isQuick) };
      const measured = await measureRate(setting, load);
      figures.push(
        ...measured
          .filter(({ name: what }) => told.some(start => what.startsWith(start)))
          .map(figure => ({ ...figure, name: `${name}: ${figure.name}` })),
        ...(hasHistory ? [await historyLeft(sql, name)] : []),
      );
      for (const id of ids) await sql`select indicator.remove(${id})`;
      await settled(sql);
    }
    return figures;
  });
}

async function addAll(
  sql: Sql,
  { symbols }: Pipeline,
  wanted: readonly Wanted[],
): Promise<number[]> {
  const ids: number[] = [];
  for (const { timeframe, kind, params } of wanted) {
    const rows = await sql<{ id: number }[]>`
      select indicator.add(s.symbol, ${timeframe}, ${kind}, ${JSON.stringify(params)}::text::jsonb) as id
      from unnest(${symbols as string[]}::text[]) as s(symbol)`;
    ids.push(...rows.map(row => row.id));
  }
  return ids;
}

/** None: the history was over before the end, and the figures flatter. */
async function historyLeft(sql: Sql, name: string): Promise<Figure> {
  const [row] = await sql<{ left: number }[]>`
    select count(*)::float8 as left from indicator.backfills`;
  return {
    part,
    name: `${name}: histories left at the end`,
    unit: 'indicators',
    value: row?.left ?? 0,
  };
}
