/** What of a row changes slowly: where the day began, and the sparkline. */
export interface Trend {
  readonly instrument_id: number;
  readonly day_open: number | null;
  /** Beginning of the UTC day that `day_open` belongs to. */
  readonly opened_at: string;
  readonly closes: readonly (number | null)[];
}

export type Trends = ReadonlyMap<number, Trend>;

/**
 * Keeps the trends for a few seconds: reading them costs more than everything else on the page. The
 * first caller waits for them, later ones get what is there while it is read again.
 */
export function createTrends(
  read: () => Promise<readonly Trend[]>,
  { keepMs = 5_000, now = Date.now }: { keepMs?: number; now?: () => number } = {},
): () => Promise<Trends> {
  let known: Trends | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<Trends> | undefined;

  const refresh = (): Promise<Trends> => {
    reading ??= read()
      .then(trends => {
        known = new Map(trends.map(trend => [trend.instrument_id, trend]));
        readAt = now();
        return known;
      })
      .finally(() => {
        reading = undefined;
      });
    return reading;
  };

  return async () => {
    if (known === undefined) return refresh();
    // A failure shows at the next reading; until then what is known stays.
    if (now() - readAt > keepMs) refresh().catch(() => undefined);
    return known;
  };
}
