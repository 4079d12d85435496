import type { Sql } from '../../db/runtime/database.ts';
import type { Server } from '../harness/server.ts';
import { type Database, withDatabase } from './database.ts';
import type { Figure } from './figures.ts';
import { measureOneRate } from './latency.ts';
import { addOldValues, inYears, preparePipeline } from './pipeline.ts';

const baseHours = 2;
const names = ['median', '99th percentile'].flatMap(what => [
  `due -> message, ${what}`,
  `due -> value, ${what}`,
]);

interface History {
  /** Of ticks that come as often as live ones. */
  readonly hours: number;
  /** Before them, few of everything in each day and week. */
  readonly years: number;
}

/**
 * The way of a tick at 1,000 ticks a second with two hours of history, with many times of it, and with years of it: what
 * a long time costs by its chunks, which TimescaleDB has one of a day, or a week.
 */
export async function measureHistory(server: Server, isQuick: boolean): Promise<Figure[]> {
  const run = (history: History) =>
    withDatabase(server, database => measure(database, history, isQuick));
  const short = await run({ hours: baseHours, years: 0 });
  const long = await run({ hours: baseHours * (isQuick ? 5 : 100), years: 0 });
  const years = await run({ hours: baseHours, years: isQuick ? 1 : 10 });
  const all = { short, long, years };
  return [
    ...['history', 'years', 'ticks in the history', 'values in the history', 'fill'].flatMap(name =>
      Object.entries(all).flatMap(([label, figures]) =>
        figures
          .filter(figure => figure.name === name)
          .map(figure => ({ ...figure, name: `${name}, ${label}` })),
      ),
    ),
    ...names.flatMap(name =>
      Object.entries(all).map(([label, figures]): Figure => {
        const value = figureOf(figures, name, 'ms');
        return { part: 'history', name: `${name}, ${label}`, unit: 'ms', value };
      }),
    ),
    ...comparison(short, long, 'long / short'),
    ...comparison(short, years, 'years / short'),
  ];
}

function comparison(short: readonly Figure[], other: readonly Figure[], unit: string): Figure[] {
  const functions = [...new Set(other.map(figure => figure.name))].filter(name =>
    name.includes('.'),
  );
  const ratio = (name: string, of: string, unit: string): Figure => ({
    part: 'history',
    name,
    unit,
    value: figureOf(other, name, of) / figureOf(short, name, of),
  });
  return [
    ...names.map(name => ratio(name, 'ms', unit)),
    ...functions.map(name => ratio(name, 'ms a call', `ms a call, ${unit}`)),
  ];
}

const figureOf = (figures: readonly Figure[], name: string, unit: string): number =>
  figures.find(figure => figure.name === name && figure.unit === unit)?.value ?? Number.NaN;

async function measure(
  database: Database,
  { hours, years }: History,
  isQuick: boolean,
): Promise<Figure[]> {
  const { sql } = database;
  const part = 'history';
  const startedAt = performance.now();
  const budgetMs = isQuick ? 30_000 : 300_000;
  const pipeline = await preparePipeline(database, { hours, years, budgetMs });
  if (years > 0) {
    await addOldValues(sql, years);
    // A history of years was compressed while it came, and what was said in it is scored.
    await sql`call ops.apply_storage()`;
    await sql`delete from indicator.unscored`;
  }
  const fill = (performance.now() - startedAt) / 1_000;
  const figures = await measureOneRate(database, pipeline, isQuick);
  const [row] = await sql<{ values: number }[]>`
    select count(*)::float8 as values from indicator.values`;
  return [
    { part, name: 'history', unit: 'hours', value: pipeline.historyHours },
    { part, name: 'years', unit: 'years', value: years },
    { part, name: 'ticks in the history', unit: 'ticks', value: await countTicks(sql, years) },
    { part, name: 'values in the history', unit: 'values', value: row?.values ?? Number.NaN },
    { part, name: 'fill', unit: 's', value: fill },
    ...figures,
  ];
}

/** Of the history: prices of live ones are higher. A year at a time, as more chunks cannot be locked at once. */
async function countTicks(sql: Sql, years: number): Promise<number> {
  let ticks = 0;
  const count = async (from: string, to: string): Promise<void> => {
    const [row] = await sql<{ count: number }[]>`
      select count(*)::float8 as count from feed.ticks
      where observed_at >= ${from}::timestamptz and observed_at < ${to}::timestamptz and bid < 0.9`;
    ticks += row?.count ?? Number.NaN;
  };
  let end = '-infinity';
  await inYears(sql, years, async (from, to) => {
    end = to;
    await count(from, to);
  });
  await count(end, 'infinity');
  return ticks;
}
