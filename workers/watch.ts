/**
 * The same object, whose asynchronous calls are watched: when one has not ended after the deadline,
 * `onHang` is called. postgres.js 3.4.9 can leave a statement without an answer for ever when its
 * connection is ended by the server; a new process is the only cure.
 *
 * @param options.except Calls that may take as long as they like.
 */
export function watchCalls<Calls extends object>(
  calls: Calls,
  options: {
    readonly deadlineMs: number;
    readonly except?: readonly (keyof Calls)[];
    readonly onHang: (error: Error) => void;
  },
): Calls {
  const { deadlineMs, except = [], onHang } = options;
  return new Proxy(calls, {
    get(target, name, receiver) {
      const call: unknown = Reflect.get(target, name, receiver);
      if (typeof call !== 'function' || except.includes(name as keyof Calls)) return call;
      return async (...args: unknown[]): Promise<unknown> => {
        const timer = setTimeout(
          () => onHang(new Error(`${String(name)} has had no answer for ${deadlineMs} ms`)),
          deadlineMs,
        );
        try {
          return await Reflect.apply(call, target, args);
        } finally {
          clearTimeout(timer);
        }
      };
    },
  });
}
