import { workerEnvironment } from '../../tests/support/system.ts';
import { startProcess } from '../harness/processes.ts';

/** A price that a subscriber had in hand: it covers every tick of its instrument up to `number`. */
export interface Receipt {
  readonly place: number;
  readonly timeframe: string;
  readonly number: number;
  /** Milliseconds since 1970. */
  readonly seenAt: number;
}

export interface Subscriber {
  readonly pid: number;
  /** In the order in which they came; numbers of one place and timeframe only rise. */
  readonly receipts: readonly Receipt[];
  /** Brings `receipts` up to now. */
  update(): Promise<void>;
  /** The highest number seen at a place, in any timeframe; 0 before the first. */
  newest(place: number): number;
  stop(): Promise<void>;
}

/** Reads one queue in a process of its own. */
export async function startSubscriber(
  endpoint: string,
  queueName: string,
  symbols: readonly string[],
): Promise<Subscriber> {
  const reader = await startProcess(
    'lab/bench/subscriber.main.ts',
    workerEnvironment('', endpoint),
    [endpoint, queueName, symbols.join(',')],
  );
  const receipts: Receipt[] = [];
  const newest = symbols.map(() => 0);
  return {
    pid: reader.pid,
    receipts,
    async update() {
      for (const receipt of (await reader.ask({})) as Receipt[]) {
        receipts.push(receipt);
        newest[receipt.place] = Math.max(newest[receipt.place] ?? 0, receipt.number);
      }
    },
    newest: place => newest[place] ?? 0,
    stop: () => reader.stop(),
  };
}
