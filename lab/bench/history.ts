import type { Server } from '../harness/server.ts';
import { type Database, withDatabase } from './database.ts';
import type { Figure } from './figures.ts';
import { measureOneRate } from './latency.ts';
import { preparePipeline } from './pipeline.ts';

const baseHours = 2;
const names = ['median', '99th percentile'].flatMap(what => [
  `due -> message, ${what}`,
  `due -> value, ${what}`,
]);

/** The way of a tick at 1,000 ticks a second with two hours of history, and with many times of it. */
export async function measureHistory(server: Server, isQuick: boolean): Promise<Figure[]> {
  const short = await withDatabase(server, database => measure(database, 1, isQuick));
  const long = await withDatabase(server, database =>
    measure(database, isQuick ? 5 : 100, isQuick),
  );
  const part = 'history';
  const millisecondsOf = (figures: readonly Figure[], name: string): number =>
    figures.find(figure => figure.name === name)?.value ?? Number.NaN;
  return [
    ...['history', 'ticks in the history', 'values in the history', 'fill'].flatMap(name =>
      [short, long].flatMap((figures, index) =>
        figures
          .filter(figure => figure.name === name)
          .map(figure => ({ ...figure, name: `${name}, ${index === 0 ? 'short' : 'long'}` })),
      ),
    ),
    ...names.flatMap((name): Figure[] => [
      { part, name: `${name}, short`, unit: 'ms', value: millisecondsOf(short, name) },
      { part, name: `${name}, long`, unit: 'ms', value: millisecondsOf(long, name) },
      {
        part,
        name,
        unit: 'long / short',
        value: millisecondsOf(long, name) / millisecondsOf(short, name),
      },
    ]),
    ...[...new Set(long.map(figure => figure.name))]
      .filter(name => name.includes('.'))
      .flatMap(name => {
        const of = (figures: readonly Figure[]): number =>
          figures.find(figure => figure.name === name && figure.unit === 'ms a call')?.value ??
          Number.NaN;
        return { part, name, unit: 'ms a call, long / short', value: of(long) / of(short) };
      }),
  ];
}

async function measure(database: Database, factor: number, isQuick: boolean): Promise<Figure[]> {
  const { sql } = database;
  const part = 'history';
  const startedAt = performance.now();
  const budgetMs = isQuick ? 30_000 : 300_000;
  const pipeline = await preparePipeline(database, { hours: baseHours * factor, budgetMs });
  const fill = (performance.now() - startedAt) / 1_000;
  const figures = await measureOneRate(database, pipeline, isQuick);
  const [row] = await sql<{ ticks: number; values: number }[]>`
    select (select count(*) from feed.ticks where bid < 0.9)::float8 as ticks,
      (select count(*) from indicator.values)::float8 as values`;
  return [
    { part, name: 'history', unit: 'hours', value: pipeline.historyHours },
    { part, name: 'ticks in the history', unit: 'ticks', value: row?.ticks ?? Number.NaN },
    { part, name: 'values in the history', unit: 'values', value: row?.values ?? Number.NaN },
    { part, name: 'fill', unit: 's', value: fill },
    ...figures,
  ];
}
