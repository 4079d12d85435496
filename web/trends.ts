/**
 * Keeps what the database says of trends for a few seconds: reading them costs more than everything else
 * on the page. The first caller waits for them, later ones get what is there while it is read again.
 */
export function createTrends(
  read: () => Promise<string>,
  { keepMs = 5_000, now = Date.now }: { keepMs?: number; now?: () => number } = {},
): () => Promise<string> {
  let known: string | undefined;
  let readAt = Number.NEGATIVE_INFINITY;
  let reading: Promise<string> | undefined;

  const refresh = (): Promise<string> => {
    reading ??= read()
      .then(trends => {
        known = trends;
        readAt = now();
        return trends;
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
