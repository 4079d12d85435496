import { longest } from '../../workers/indicators/catalog/tests/golden.ts';
import { catalog, services } from '../../workers/indicators/catalog.ts';
import { computeValues } from '../../workers/indicators/compute.ts';
import type { Kind, Params } from '../../workers/indicators/kind.ts';
import { type Candle, type Series, seriesOf } from '../../workers/indicators/window.ts';
import type { Figure } from './figures.ts';

const part = 'kinds';
const minute = 60_000;
/** A market that never closes has them all. */
const minutesOfTenYears = 10 * 365.25 * 1_440;
const ofTenYears = 's for ten years of minutes';
/** One stretch of history. */
const stretch = 10_000;

/** What a value of each kind takes of a processor, computed as live and historic ones are; no engine has to do with it. */
export function measureKinds(isQuick: boolean): Figure[] {
  const heavy = services.find(({ service }) => service === 'models')?.kinds ?? [];
  const figures = [...catalog.values()]
    .filter(kind => !heavy.includes(kind))
    .flatMap((kind): Figure[] => {
      const presets = Object.fromEntries(kind.parameters.map(each => [each.name, each.default]));
      // As from the database: the engine keeps a default beside others that are no integers as no integer either.
      const params: Params = JSON.parse(JSON.stringify(presets));
      const bars = longest(kind.bars.window, params);
      const series = walkOf(bars + stretch);
      // The first time only warms up.
      computeStretch(kind, params, series);
      const rounds = isQuick ? 1 : 50;
      const startedAt = performance.now();
      for (let round = 0; round < rounds; round++) computeStretch(kind, params, series);
      const each = (performance.now() - startedAt) / (rounds * stretch);
      return [
        { part, name: `${kind.kind}, ${bars} bars`, unit: 'µs a value', value: 1_000 * each },
        { part, name: kind.kind, unit: ofTenYears, value: (each * minutesOfTenYears) / 1_000 },
      ];
    });
  const slow = figures.filter(({ unit, value }) => unit === ofTenYears && value > 10);
  const name = 'kinds that take more than 10 s for ten years of minutes';
  return [...figures, { part, name, unit: 'kinds', value: slow.length }];
}

function computeStretch(kind: Kind, params: Params, series: Series): void {
  const { buckets } = series;
  const fromBucket = buckets[buckets.length - stretch] ?? '';
  const toBucket = buckets.at(-1) ?? '';
  const indicator = {
    indicator_id: 1,
    kind: kind.kind,
    params,
    bars_required: longest(kind.bars.least, params),
    bars_window: longest(kind.bars.window, params),
  };
  const due = {
    ...{ fromBucket, toBucket, closedTo: toBucket, revision: '1', isHistory: true },
    ...{ indicators: [indicator], series },
  };
  let count = 0;
  const onFailure = ({ error }: { error: unknown }) => {
    throw error;
  };
  for (const { reading } of computeValues(due, catalog, onFailure)) if (reading !== null) count++;
  if (count < stretch / 2) throw new Error(`${kind.kind} has ${count} values of ${stretch}`);
}

/** Made-up candles of minutes, the same at every run. */
function walkOf(length: number): Series {
  let state = 12_345;
  const draw = (count: number): number => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return Math.floor((state / 2_147_483_648) * count);
  };
  let close = 100_000;
  return seriesOf(
    Array.from({ length }, (_, index): Candle => {
      const open = close;
      close += draw(201) - 100;
      const [high, low] = [Math.max(open, close) + draw(50), Math.min(open, close) - draw(50)];
      const count = 1 + draw(60);
      return {
        bucket: new Date(Date.UTC(2016, 0, 1) + index * minute).toISOString(),
        ...{ open: open / 1_000, high: high / 1_000, low: low / 1_000, close: close / 1_000 },
        ...{ sum: (count * (high + low)) / 2_000, volume: 1 + draw(1_000), tick_count: count },
        spread: (1 + draw(5)) / 1_000,
      };
    }),
  );
}
