/**
 * Brings what several tasks say into one stream, in the order in which they said it. `push` waits until
 * the reader takes the item, which slows the tasks down instead of growing memory.
 */
export interface Channel<Item> extends AsyncIterable<Item> {
  readonly push: (item: Item) => Promise<void>;
  /** Ends the stream, with an error or without; whoever waits to push goes on, and nothing more is read. */
  readonly close: (error?: unknown) => void;
}

export function createChannel<Item>(): Channel<Item> {
  let waiting: { readonly item: Item; readonly taken: () => void }[] = [];
  let ended: { readonly error: unknown } | undefined;
  let wake = (): void => undefined;

  async function* read(): AsyncGenerator<Item> {
    for (;;) {
      const next = waiting.shift();
      if (next !== undefined) {
        next.taken();
        yield next.item;
      } else if (ended !== undefined) {
        if (ended.error !== undefined) throw ended.error;
        return;
      } else {
        await new Promise<void>(resolve => {
          wake = resolve;
        });
      }
    }
  }

  return {
    push: item =>
      new Promise(taken => {
        if (ended !== undefined) {
          taken();
          return;
        }
        waiting.push({ item, taken });
        wake();
      }),
    close: error => {
      ended ??= { error };
      for (const { taken } of waiting) taken();
      waiting = [];
      wake();
    },
    [Symbol.asyncIterator]: read,
  };
}

/**
 * What `run` pushes, until it ends or the signal aborts, and its error. When the consumer leaves, `run` is told so by
 * the signal that it was given, and is waited for.
 */
export async function* pushed<Item>(
  signal: AbortSignal,
  run: (signal: AbortSignal, push: Channel<Item>['push']) => Promise<void>,
): AsyncGenerator<Item> {
  const stop = new AbortController();
  const onStop = () => stop.abort();
  signal.addEventListener('abort', onStop);
  if (signal.aborted) stop.abort();
  const channel = createChannel<Item>();
  stop.signal.addEventListener('abort', () => channel.close());
  const running = run(stop.signal, channel.push).then(
    () => channel.close(),
    (error: unknown) => channel.close(error),
  );
  try {
    yield* channel;
  } finally {
    signal.removeEventListener('abort', onStop);
    stop.abort();
    await running;
  }
}
