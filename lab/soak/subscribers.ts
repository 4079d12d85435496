import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteMessageBatchCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Random } from '../../tests/support/random.ts';
import { type CandleDelta, decodeMessage } from '../../workers/messages.ts';

/** A service of somebody else that reads a queue: it keeps the highest revision of each candle. */
export interface Watcher {
  readonly queue: string;
  held(): ReadonlyMap<string, CandleDelta>;
  /** The end of the newest second that it holds, in milliseconds since 1970. */
  newest(): number;
  /** What was wrong on the way: two contents under a revision, a closed candle that opened again. */
  readonly faults: string[];
  readonly counts: { messages: number; candles: number; echoed: number };
  /** Ends after what it put aside is taken. */
  stop(): Promise<void>;
}

interface Seen {
  candle: CandleDelta;
  lowestClosed: number;
  highestOpen: number;
}

/** How many of the newest contents are remembered to compare with what comes again. */
const remembered = 200_000;

/** Its own side is bad too: it takes some messages twice, and some later than others. */
export function startWatcher(parts: { sqs: SQSClient; queue: string; random: Random }): Watcher {
  const { sqs, queue, random } = parts;
  const seen = new Map<string, Seen>();
  const contents = new Map<string, string>();
  const faults: string[] = [];
  const counts = { messages: 0, candles: 0, echoed: 0 };
  let aside: string[] = [];
  let newest = Date.now();
  let isStopped = false;

  function take(body: string): void {
    for (const candle of decodeMessage(body).candles) {
      const key = keyOf(candle);
      counts.candles += 1;
      if (candle.timeframe === '1s') newest = Math.max(newest, Date.parse(candle.bucket) + 1_000);
      compare(`${key} ${candle.revision}`, candle);
      const known = seen.get(key) ?? { candle, lowestClosed: Infinity, highestOpen: 0 };
      if (candle.revision > known.candle.revision) known.candle = candle;
      if (candle.is_closed) known.lowestClosed = Math.min(known.lowestClosed, candle.revision);
      else known.highestOpen = Math.max(known.highestOpen, candle.revision);
      if (known.highestOpen > known.lowestClosed) {
        faults.push(
          `${queue}: ${key} closed with revision ${known.lowestClosed} and was open in ${known.highestOpen}`,
        );
      }
      seen.set(key, known);
    }
  }

  function compare(revision: string, candle: CandleDelta): void {
    const text = createHash('md5').update(JSON.stringify(candle)).digest('base64');
    const earlier = contents.get(revision);
    if (earlier === undefined) {
      contents.set(revision, text);
      if (contents.size > remembered) contents.delete(contents.keys().next().value ?? '');
    } else if (earlier !== text) {
      faults.push(`${queue}: ${revision} came with two contents, now ${JSON.stringify(candle)}`);
    }
  }

  function receive(body: string): void {
    counts.messages += 1;
    if (random.chance(0.15)) aside.push(body);
    else take(body);
    if (random.chance(0.1)) {
      counts.echoed += 1;
      aside.push(body);
    }
    while (aside.length > 40) take(aside.splice(random.int(0, aside.length - 1), 1)[0] ?? '');
  }

  async function readOnce(): Promise<void> {
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queue }));
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
      { abortSignal: AbortSignal.timeout(8_000) },
    );
    for (const { Body = '' } of Messages) receive(Body);
    if (Messages.length === 0) return;
    const Entries = Messages.map(({ ReceiptHandle }, index) => ({
      Id: String(index),
      ReceiptHandle,
    }));
    await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
  }

  const running = (async () => {
    while (!isStopped) {
      await readOnce().catch(async (error: unknown) => {
        if (error instanceof Error && /Message|Zod/.test(error.name) && !('$metadata' in error)) {
          faults.push(`${queue}: ${error.message}`);
        }
        await sleep(300);
      });
      if (aside.length > 0 && random.chance(0.2)) take(aside.shift() ?? '');
    }
  })();

  return {
    queue,
    faults,
    counts,
    newest: () => newest,
    held() {
      const late = aside;
      aside = [];
      for (const body of late) take(body);
      return new Map([...seen].map(([key, { candle }]) => [key, candle]));
    },
    async stop() {
      isStopped = true;
      await running;
    },
  };
}

/** What names a candle, with its bucket as `2026-01-01T00:00:00Z`. */
export function keyOf(candle: {
  symbol: string;
  timeframe: string;
  side: string;
  bucket: string;
}): string {
  return `${candle.symbol} ${candle.timeframe} ${candle.side} ${candle.bucket.replace('.000Z', 'Z')}`;
}
