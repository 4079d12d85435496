import { startChild } from './child.ts';

/** A message that was received: its candle covers every tick of its instrument up to `number`. */
export interface Arrival {
  readonly place: number;
  readonly number: number;
  /** When the subscriber had it, milliseconds since 1970. */
  readonly seenAt: number;
}

export interface BenchSubscriber {
  /** In the order in which they came; numbers of one place only rise. */
  arrivals(): Promise<readonly Arrival[]>;
  stop(): Promise<void>;
}

/** Reads the seconds of some symbols from a queue, as a service of somebody else would. */
export async function startSubscriber(
  endpoint: string,
  queueName: string,
  symbols: readonly string[],
): Promise<BenchSubscriber> {
  const child = await startChild('bench/subscriber.main.ts', { PATH: process.env.PATH }, [
    endpoint,
    queueName,
    symbols.join(','),
  ]);
  return {
    arrivals: async () => (await child.ask('arrivals')) as Arrival[],
    stop: () => child.stop(),
  };
}
