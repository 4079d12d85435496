/**
 * The same object, whose asynchronous calls are watched: when one has not ended after the deadline,
 * `onHang` is called. postgres.js 3.4.9 can leave a statement without an answer for ever when its
 * connection is ended by the server; a new process is the only cure.
 *
 * @param options.long Calls that may take as long as they like, as long as `isRunning` says that the database
 *   works on one of them; it is asked after each deadline.
 */
export function watchCalls<Calls extends object>(
  calls: Calls,
  options: {
    readonly deadlineMs: number;
    readonly long?: {
      readonly calls: readonly (keyof Calls)[];
      readonly isRunning: () => Promise<boolean>;
    };
    readonly onHang: (error: Error) => void;
  },
): Calls {
  const { deadlineMs, long, onHang } = options;

  /** Until it is stopped. */
  function watch(name: string, isLong: boolean): () => void {
    const since = Date.now();
    let timer: NodeJS.Timeout | undefined;
    let isStopped = false;
    const hang = (): void => {
      if (!isStopped) onHang(new Error(`${name} has had no answer for ${Date.now() - since} ms`));
    };
    const look = async (): Promise<void> => {
      if (long === undefined || !isLong) return hang();
      timer = setTimeout(hang, deadlineMs);
      // A database that is away answers nobody.
      const isRunning = await long.isRunning().catch(() => true);
      clearTimeout(timer);
      if (isStopped) return;
      if (isRunning) timer = setTimeout(look, deadlineMs);
      else hang();
    };
    timer = setTimeout(look, deadlineMs);
    return () => {
      isStopped = true;
      clearTimeout(timer);
    };
  }

  return new Proxy(calls, {
    get(target, name, receiver) {
      const call: unknown = Reflect.get(target, name, receiver);
      if (typeof call !== 'function') return call;
      return async (...args: unknown[]): Promise<unknown> => {
        const stop = watch(String(name), long?.calls.includes(name as keyof Calls) ?? false);
        try {
          return await Reflect.apply(call, target, args);
        } finally {
          stop();
        }
      };
    },
  });
}
