/** One number of one engine. */
export interface Figure {
  readonly part: string;
  readonly name: string;
  readonly unit: string;
  /** NaN when there was nothing to measure. */
  readonly value: number;
  /** What the value was made from, where that is a few numbers. */
  readonly samples?: readonly number[];
}

export interface Failure {
  readonly part: string;
  readonly reason: string;
}

export interface EngineResult {
  readonly engine: string;
  readonly settings: Readonly<Record<string, string>>;
  readonly figures: readonly Figure[];
  /** Parts that could not be measured. */
  readonly failures: readonly Failure[];
  /** One-minute load averages of the machine before and after. */
  readonly load: readonly [number, number];
}

/** The middle value; NaN of nothing. */
export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** The nearest-rank percentile, `fraction` from 0 to 1; NaN of nothing. */
export function percentile(values: readonly number[], fraction: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(fraction * sorted.length) - 1)] ?? Number.NaN;
}
