import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateQueueCommand,
  GetQueueUrlCommand,
  PurgeQueueCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Sql } from '../../db/runtime/database.ts';
import { capture } from '../../tests/support/database.ts';
import { openQueueServer, queueCredentials } from '../../tests/support/queue_server.ts';
import { countMessages } from '../../tests/support/system.ts';
import { secondsAfter, tickOf } from '../../tests/support/ticks.ts';
import { createServiceStore } from '../../workers/indicators/service.ts';
import { createFeed } from '../../workers/ingest/feed.ts';
import { decodeMessage, encodeMessages, messageSchema } from '../../workers/messages.ts';
import { createOutbox } from '../../workers/publish/outbox.ts';
import { labLogger } from '../harness/server.ts';
import { type HeldTable, hold, inTransaction, prepareHolding, whileAlone } from './holding.ts';
import { createServiceProcess, type ServiceProcess } from './process.ts';

export interface Subject {
  readonly service: string;
  /** As a shell starts it. */
  readonly command: string;
  /** The group whose rights its login gets. */
  readonly role: string;
  /** Only these; absent: the three that look back least. */
  readonly kinds?: readonly string[];
  /** How long it may take until it has done what it has to, each time. */
  readonly patienceMs: number;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

/**
 * One database, one queue, the service, and we in place of the publisher: what it is told, and when, is ours to say.
 * All that waits has an end, and throws what it waits for.
 */
export interface World {
  readonly url: string;
  readonly sql: Sql;
  readonly subject: Subject;
  readonly process: ServiceProcess;
  /** Until it gives another sign of life; starts it when it has ended, as a supervisor does. */
  alive(): Promise<void>;
  /** An instrument of its own. */
  addInstrument(): Promise<string>;
  addIndicator(symbol: string, kind: string): Promise<number>;
  /** Ticks of one-minute candles: by its minute, the close. A later tick of a minute has a higher `place`. */
  record(symbol: string, closes: ReadonlyMap<number, number>, place?: number): Promise<void>;
  /** What a publisher would send to the service now, and which counts as sent. */
  publish(maxBytes?: number): Promise<string[]>;
  send(bodies: readonly string[]): Promise<void>;
  /** Does with messages what another process of the service would: notes what they name. */
  accept(bodies: readonly string[]): Promise<void>;
  /** Until it has nothing left to do: no message, no candle, no history. */
  settled(): Promise<void>;
  /** Runs `act` while nothing can be added to a table, and `meanwhile` as soon as the service wants to. */
  whileItAdds(
    table: HeldTable,
    act: () => Promise<void>,
    meanwhile: () => Promise<void>,
  ): Promise<void>;
  /** Kills it as soon as what `act` asks for makes it add to a table: what it wants to add is lost. */
  killWhileItAdds(table: HeldTable, act: () => Promise<void>): Promise<void>;
  /** Runs `act` while an indicator is about to be removed, which it is as soon as the service wants to store its values. */
  removeWhileItStores(indicatorId: number, act: () => Promise<void>): Promise<void>;
  /** Ends its connections to the database, and waits until they are gone. */
  cutConnections(): Promise<void>;
  /** Runs `act`, and leaves the service some seconds in which its queue does not answer; it has to beat all the time. */
  whileQueueHangs(act: () => Promise<void>): Promise<void>;
  /** Runs `act` beside a second process of the service. */
  besideAnother(act: () => Promise<void>): Promise<void>;
  /** Takes away what is on its queue, and what waits to be computed. */
  forgetWork(): Promise<void>;
  close(): Promise<void>;
}

/** Longer than a service may be silent. */
const hangMs = 18_000;
const timeframe = '1m';
const side = 'bid';

export async function openWorld(
  database: { readonly url: string; readonly sql: Sql },
  subject: Subject,
): Promise<World> {
  const { url: owners, sql } = database;
  const { service, patienceMs } = subject;
  const login = `conformance_${randomBytes(4).toString('hex')}`;
  await sql.unsafe(`create role ${login} login password '${login}' in role ${subject.role}`);
  await prepareHolding(sql);
  const queues = await openQueueServer(labLogger);
  const url = new URL(owners);
  url.username = login;
  url.password = login;
  const { AWS_PROFILE: _, AWS_SESSION_TOKEN: __, ...own } = process.env;
  const env = {
    ...own,
    DATABASE_URL: url.href,
    AWS_ENDPOINT_URL_SQS: queues.gate.endpoint,
    AWS_REGION: 'us-east-1',
    AWS_DEFAULT_REGION: 'us-east-1',
    AWS_ACCESS_KEY_ID: queueCredentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: queueCredentials.secretAccessKey,
  };
  const program = createServiceProcess(subject.command, env);
  const feed = createFeed(sql);
  const outbox = createOutbox(sql);
  const store = createServiceStore(sql, service);

  /** Until nothing is left of it; meanwhile it is started as often as it ends. */
  async function until(what: string, ask: () => Promise<string>): Promise<void> {
    const deadline = Date.now() + patienceMs;
    const endings = program.endings();
    for (;;) {
      subject.signal.throwIfAborted();
      const left = await ask();
      if (left === '') return;
      if (Date.now() > deadline) {
        const times = program.endings() - endings;
        const ended = times === 0 ? '' : `; meanwhile it ended by itself, ${times} times`;
        throw new Error(`${what} after ${patienceMs / 1_000} s: ${left}${ended}`);
      }
      program.start();
      await sleep(100);
    }
  }

  async function queueName(): Promise<string> {
    const [row] = await sql<{ queue: string }[]>`
      select queue from indicator.services where service = ${service}`;
    return row?.queue ?? '';
  }

  async function whatIsLeft(): Promise<string> {
    const messages = await countMessages(queues.sqs, await queueName());
    const [row] = await sql<[{ pending: number; backfills: number }]>`
      select (select count(*)::int from indicator.pending where service = ${service}) as pending,
        (select count(*)::int from indicator.backfills where service = ${service}) as backfills`;
    const left = [
      [messages, 'messages'],
      [row.pending, 'changed candles'],
      [row.backfills, 'histories'],
    ];
    return left
      .filter(([count]) => count !== 0)
      .map(([count, what]) => `${what} left: ${count}`)
      .join(', ');
  }

  /** The database's clock. */
  async function now(): Promise<string> {
    const [row] = await sql<[{ at: string }]>`select clock_timestamp()::text as at`;
    return row.at;
  }

  /** Each with what it asked for. */
  async function cutConnections(): Promise<void> {
    await sql`
      select pg_terminate_backend(pid, 10000) from pg_stat_activity where usename = ${login}`;
  }

  /** A statement of it waits for a lock of this kind, as pg_stat_activity calls it. */
  async function isWaitingFor(event: 'advisory' | 'transactionid'): Promise<boolean> {
    const rows = await sql`
      select from pg_stat_activity
      where usename = ${login} and datname = current_database()
        and wait_event_type = 'Lock' and wait_event = ${event}`;
    return rows.length > 0;
  }

  /** What it had claimed is free now: what died holds it until its leases end, which is ten seconds of nothing. */
  async function endLeases(): Promise<void> {
    await sql`
      select indicator.lease_pending(array(select work_id from indicator.pending where service = ${service}), '0')`;
    await sql`update indicator.backfills set leased_until = '-infinity' where service = ${service}`;
  }

  const world: World = {
    url: owners,
    sql,
    subject,
    process: program,
    async alive() {
      const asked = await now();
      program.start();
      await until(`service ${service} gives no sign of life`, async () => {
        const [row] = await sql<[{ is_registered: boolean; has_kinds: boolean; beats: boolean }]>`
          select exists (select from indicator.services where service = ${service}) as is_registered,
            exists (select from indicator.kinds where service = ${service}) as has_kinds,
            exists (select from ops.processes
              where services @> array[${service}] and seen_at > ${asked}::text::timestamptz) as beats`;
        if (!row.is_registered) return 'it has not registered';
        if (!row.has_kinds) return 'it has registered no kind';
        return row.beats ? '' : 'it does not call indicator.beat';
      });
    },
    async addInstrument() {
      const symbol = `C${randomBytes(5).toString('hex').toUpperCase()}`;
      await sql`select feed.add_instrument(${symbol}, 'manual')`;
      return symbol;
    },
    async addIndicator(symbol, kind) {
      const [row] = await sql<[{ id: number }]>`
        select indicator.add(${symbol}, ${timeframe}, ${kind}, '{}', ${side}) as id`;
      return row.id;
    },
    async record(symbol, closes, place = 0) {
      await feed.recordTicks(
        'manual',
        [...closes].map(([minute, bid]) =>
          tickOf(symbol, secondsAfter(60 * minute + place), { bid, ask: bid + 1 }),
        ),
      );
    },
    async publish(maxBytes) {
      const own = await queueName();
      const deliveries = await whileAlone(owners, async () => {
        await capture(sql);
        const others = await sql<{ queue: string }[]>`
          select queue from outbox.subscriptions where queue <> ${own}`;
        return outbox.claimDeliveries(
          100_000,
          others.map(({ queue }) => queue),
        );
      });
      await outbox.markSent(deliveries);
      const [{ subscription } = { subscription: '' }] = deliveries;
      if (subscription === '') return [];
      const sentAt = new Date().toISOString();
      const envelope = { version: 1, subscription, sent_at: sentAt, candles: deliveries };
      const { candles } = messageSchema.parse(envelope);
      return encodeMessages(subscription, candles, sentAt, maxBytes).map(({ body }) => body);
    },
    async send(bodies) {
      const QueueUrl = await ensureQueue(queues.sqs, await queueName());
      for (const MessageBody of bodies) {
        await queues.sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
      }
    },
    async accept(bodies) {
      for (const body of bodies) await store.acceptCandles(decodeMessage(body).candles);
    },
    async settled() {
      await ensureQueue(queues.sqs, await queueName());
      await until('its work is not done', whatIsLeft);
    },
    whileItAdds: (table, act, meanwhile) =>
      inTransaction(owners, async client => {
        await hold(client, table, login);
        await act();
        await until(`it does not add to ${table}`, async () =>
          (await isWaitingFor('advisory')) ? '' : (await whatIsLeft()) || 'it has nothing to do',
        );
        await meanwhile();
      }),
    async killWhileItAdds(table, act) {
      await world.whileItAdds(table, act, async () => {
        await program.kill();
        // What it asked for would be done else, as soon as nothing holds it any more.
        await cutConnections();
      });
      await endLeases();
      program.start();
    },
    removeWhileItStores: (indicatorId, act) =>
      inTransaction(owners, async client => {
        await client.query('select indicator.remove($1)', [indicatorId]);
        await act();
        await until('it does not call indicator.record_values', async () =>
          (await isWaitingFor('transactionid'))
            ? ''
            : (await whatIsLeft()) || 'it has nothing to do',
        );
        await client.query('commit');
      }),
    cutConnections,
    async whileQueueHangs(act) {
      const queue = await queueName();
      queues.gate.set(queue, 'hang');
      try {
        await act();
        for (const endsAt = Date.now() + hangMs; Date.now() < endsAt; await sleep(100)) {
          subject.signal.throwIfAborted();
          program.start();
        }
        const [row] = await sql<[{ is_running: boolean }]>`
          select is_running from ops.services where service = ${service}`;
        if (!row.is_running)
          throw new Error('it gave no sign of life while its queue did not answer');
      } finally {
        queues.gate.set(queue, undefined);
      }
    },
    async besideAnother(act) {
      const second = createServiceProcess(subject.command, env);
      const asked = await now();
      second.start();
      try {
        await until('two processes are not to be seen', async () => {
          const rows = await sql`
            select from ops.processes
            where services @> array[${service}] and seen_at > ${asked}::text::timestamptz`;
          return rows.length > 1 ? '' : `two run, and indicator.beat names ${rows.length}`;
        });
        await act();
      } finally {
        await second.kill();
      }
    },
    async forgetWork() {
      const QueueUrl = await ensureQueue(queues.sqs, await queueName());
      await queues.sqs.send(new PurgeQueueCommand({ QueueUrl }));
      await sql`delete from indicator.pending where service = ${service}`;
      await sql`delete from indicator.backfills where service = ${service}`;
    },
    async close() {
      try {
        await program.stop();
        await cutConnections();
        await sql.unsafe(`drop role ${login}`);
      } finally {
        await queues.close();
      }
    },
  };
  return world;
}

async function ensureQueue(sqs: SQSClient, name: string): Promise<string> {
  try {
    const { QueueUrl = '' } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
    return QueueUrl;
  } catch {
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
    return QueueUrl;
  }
}
