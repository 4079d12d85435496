/**
 * Collects items into batches: one is due when it is full, or a short time after its first item.
 * `add` waits while too much is collected, which slows the source down instead of growing memory.
 */
export interface Batcher<Item> {
  add(items: readonly Item[]): Promise<void>;
  /** Writes what is left and waits for it. */
  drain(): Promise<void>;
}

export interface BatcherOptions<Item> {
  readonly maxItems: number;
  readonly maxWaitMs: number;
  /** Most items that may wait; above it `add` does not return. */
  readonly maxWaiting: number;
  /** Called with one batch at a time; must not fail. */
  readonly write: (items: readonly Item[]) => Promise<void>;
}

export function createBatcher<Item>(options: BatcherOptions<Item>): Batcher<Item> {
  let waiting: Item[] = [];
  let timer: NodeJS.Timeout | undefined;
  let writing: Promise<void> | undefined;
  let roomFreed: (() => void)[] = [];

  async function writeAll(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.slice(0, options.maxItems);
      waiting = waiting.slice(options.maxItems);
      await options.write(batch);
      const waiters = roomFreed;
      roomFreed = [];
      for (const resume of waiters) resume();
      // A batch that is not full yet gets its time to fill.
      if (waiting.length < options.maxItems && timer === undefined) break;
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer);
    timer = undefined;
    writing ??= writeAll().finally(() => {
      writing = undefined;
      schedule();
    });
    return writing;
  }

  function schedule(): void {
    if (waiting.length === 0 || writing !== undefined) return;
    if (waiting.length >= options.maxItems) void flush();
    else timer ??= setTimeout(() => void flush(), options.maxWaitMs);
  }

  return {
    async add(items) {
      for (let start = 0; start < items.length; start += options.maxItems) {
        while (waiting.length >= options.maxWaiting) {
          await new Promise<void>(resume => roomFreed.push(resume));
        }
        waiting.push(...items.slice(start, start + options.maxItems));
        schedule();
      }
    },
    async drain() {
      while (waiting.length > 0 || writing !== undefined) await flush();
    },
  };
}
