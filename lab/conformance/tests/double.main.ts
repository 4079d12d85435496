import { setTimeout as sleep } from 'node:timers/promises';
import {
  DeleteMessageCommand,
  GetQueueUrlCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { openDatabase } from '../../../db/runtime/database.ts';
import { iso } from '../../../tests/support/ticks.ts';
import { computeValues } from '../../../workers/indicators/compute.ts';
import type { Kind } from '../../../workers/indicators/kind.ts';
import { createHeart, createServiceStore, type Work } from '../../../workers/indicators/service.ts';
import { readMessage } from '../../../workers/messages.ts';
import { labLogger } from '../../harness/server.ts';

/**
 * A service that keeps the contract, or breaks it in one way:
 * `invents_revisions` stores values of changed candles with a revision of its own;
 * `strikes_off` strikes changed candles off and stores nothing;
 * `trusts_messages` takes closes from messages, in the order in which they come, whatever their revision;
 * `keeps_candles` appends the close of each message to its own, and computes from these;
 * `says_nothing` gives no close of a closed candle;
 * `waits_for_queue` waits for an answer of the queue as long as it takes;
 * `deletes_first` deletes a message before it has noted what that names;
 * `finishes_first` strikes work off before it stores the values;
 * `forgets_followers` computes a changed candle, but not those after it whose windows hold it;
 * `remembers` counts its values, and so has others for the same window;
 * `dies_of_poison` ends with each message that is none;
 * `beats_as_one` names no process;
 * `strikes_all_off` strikes off whatever there is, also of other services.
 */
const [fault = 'none'] = process.argv.slice(2);
/** Several of them may be side by side. */
const name = `double_${fault}`;

let valueCount = 0;
const kind: Kind<'close'> = {
  kind: `${name}_move`,
  description: 'Move of the close',
  rule: 'Bullish when it rose, bearish when it fell',
  label: 'Move {bars}',
  definition: 'Last close minus first',
  parameters: [{ name: 'bars', type: 'integer', min: 2, max: 50, default: 4 }],
  columns: ['close'],
  bars: { least: [{ bars: 1 }], window: [{ bars: 1 }] },
  outputs: [{ name: 'move', unit: 'price', pane: 'own' }],
  isClosedOnly: false,
  defaults: [],
  compute({ close }) {
    valueCount += 1;
    const move = (close.at(-1) ?? Number.NaN) - (close[0] ?? Number.NaN);
    if (fault === 'remembers') return { outputs: [valueCount], verdict: 0, strength: 0 };
    const verdict = move > 0 ? 1 : move < 0 ? -1 : 0;
    return { outputs: [move], verdict, strength: verdict };
  },
};

const service = { service: name, description: 'A double', isClosedOnly: false, kinds: [kind] };
const kinds = new Map<string, Kind>([[kind.kind, kind]]);
const sql = openDatabase({
  url: process.env.DATABASE_URL ?? '',
  process: 'double',
  logger: labLogger,
});
const store = createServiceStore(sql, service.service);
const heart = createHeart(sql, [service]);
const { AWS_ENDPOINT_URL_SQS: endpoint = '', AWS_REGION: region = '' } = process.env;
const sqs = new SQSClient({
  region,
  endpoint,
  useQueueUrlAsEndpoint: false,
  ...(fault === 'waits_for_queue'
    ? {}
    : { maxAttempts: 1, requestHandler: { requestTimeout: 3_000, throwOnRequestTimeout: true } }),
});
const queueName = await store.register(service);

/** Closes as messages told them, by symbol and bucket. */
const told = new Map<string, number>();
/** All closes that messages told, as they came. */
const arrived: number[] = [];

async function compute(work: Work): Promise<void> {
  if (fault === 'trusts_messages' && !work.isHistory) {
    for (const [index, bucket] of work.series.buckets.entries()) {
      const close = told.get(iso(bucket));
      if (close !== undefined) work.series.columns.close[index] = close;
    }
  }
  if (fault === 'keeps_candles' && !work.isHistory) {
    const { close } = work.series.columns;
    const own = arrived.slice(-close.length);
    close.set(own, close.length - own.length);
  }
  const values = [
    ...computeValues(work, kinds, ({ error }) => {
      throw error;
    }),
  ].map(value => ({
    ...value,
    ...(fault === 'invents_revisions' && !work.isHistory ? { revision: String(Date.now()) } : {}),
    ...(fault === 'says_nothing' ? { price: null } : {}),
  }));
  if (fault === 'forgets_followers' && !work.isHistory) {
    const own = values.filter(({ bucket }) => bucket <= work.toBucket);
    if (own.length > 0) await store.recordValues(own);
    return;
  }
  if (fault === 'strikes_off' && !work.isHistory) return;
  if (values.length > 0) await store.recordValues(values);
}

async function takeMessages(): Promise<void> {
  const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: queueName }));
  const { Messages = [] } = await sqs.send(
    new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, VisibilityTimeout: 5 }),
  );
  for (const { Body = '', ReceiptHandle } of Messages) {
    const remove = () => sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
    if (fault === 'deletes_first') await remove();
    const { candles, refusals } = readMessage(Body);
    for (const { bucket, close } of candles) {
      told.set(iso(bucket), close);
      arrived.push(close);
    }
    if (candles.length > 0) await store.acceptCandles(candles);
    if (refusals.length > 0 && fault === 'dies_of_poison') throw new Error(refusals[0]?.detail);
    if (refusals.length > 0) await store.setAside(refusals);
    if (fault !== 'deletes_first') await remove();
  }
}

const everything = Array.from({ length: 1_000 }, (_, index) => String(index + 1));
let beatAt = 0;
for (;;) {
  try {
    if (Date.now() >= beatAt) {
      await heart.beat(name, fault === 'beats_as_one' ? 1 : process.pid, []);
      beatAt = Date.now() + 2_000;
    }
    await takeMessages();
    for (const work of await store.claimPending(500)) {
      if (fault === 'finishes_first') {
        await store.finishPending(work.workIds);
        // Long enough that nothing is left to do and the values are not there yet.
        await sleep(300);
      }
      await compute(work);
      await store.finishPending(work.workIds);
    }
    const history = await store.claimBackfill(500);
    if (history !== undefined) {
      await compute(history);
      await store.finishBackfill(history, history.toBucket);
    }
    if (fault === 'strikes_all_off') await store.finishPending(everything);
  } catch (error) {
    console.error(error);
    process.exit(1);
  }
  await sleep(100);
}
