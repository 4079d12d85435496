import { measureRate, withSystem } from './latency.ts';
import type { Figure } from './report.ts';
import { type Database, withDatabase } from './server.ts';

/**
 * The latency at 1,000 ticks a second after two hours of history, and after a hundred times as much.
 * One tick an instrument each twenty seconds, so that the long one is filled in a few minutes.
 */
export async function measureHistory(database: Database, isQuick: boolean): Promise<Figure[]> {
  const times = isQuick ? { warmUp: 3, measured: 6 } : { warmUp: 5, measured: 20 };
  const measure = (of: Database, hours: number): Promise<Figure[]> =>
    withSystem(of, { hours, perSecond: 0.05 }, setting =>
      measureRate(setting, { part: 'history', rate: 1_000, firstNumber: 1, ...times }),
    );
  const long = await measure(database, isQuick ? 50 : 200);
  const short = await withDatabase(database.server, fresh => measure(fresh, 2));
  const names = ['due -> message, median', 'due -> value, median', 'due -> value, 99th percentile'];
  return names.flatMap(name => {
    const of = (figures: readonly Figure[]): number =>
      figures.find(figure => figure.name === name)?.value ?? Number.NaN;
    const figure = (what: string, unit: string, value: number): Figure => ({
      part: 'history',
      name: `${name}${what}`,
      unit,
      value,
    });
    return [
      figure(', 2 hours', 'ms', of(short)),
      figure(`, ${isQuick ? 50 : 200} hours`, 'ms', of(long)),
      figure(', long beside short', 'times', of(long) / of(short)),
    ];
  });
}
