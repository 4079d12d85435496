import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateQueueCommand,
  GetQueueUrlCommand,
  PurgeQueueCommand,
  SendMessageCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import pg from 'pg';
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

/** A stored value, in all its bits. */
export interface Value {
  readonly bucket: string;
  readonly bits: string;
  readonly revision: number;
}

/**
 * One database, one queue, the service, and we in place of the publisher: what it is told, and when, is ours to say.
 * All that waits has an end, and throws what it waits for.
 */
export interface World {
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
  /** A service beside it that never computes, with changed candles and a history that wait for it. */
  addBystander(): Promise<void>;
  /** All that there is of the bystander, by what it is. */
  bystander(): Promise<ReadonlyMap<string, string>>;
  /** Takes away what is on its queue, and what waits to be computed. */
  forgetWork(): Promise<void>;
  valuesOf(indicatorId: number): Promise<Value[]>;
  /** Why these are not the values that there must be; undefined: they are. */
  faultOf(indicatorId: number): Promise<string | undefined>;
  /** Why what it said of the newest candles, when they were closed, was not kept; undefined: it was. */
  sayingFaultOf(indicatorId: number, candles: number): Promise<string | undefined>;
  close(): Promise<void>;
}

/** To the one it adds when it notes what a message names, to the other when it stores values. */
export type HeldTable = 'indicator.pending' | 'indicator.values';

/** Longer than a service may be silent. */
const hangMs = 18_000;
const timeframe = '1m';
const side = 'bid';

export async function openWorld(
  database: { readonly url: string; readonly sql: Sql },
  subject: Subject,
): Promise<World> {
  const { sql } = database;
  const { service, patienceMs } = subject;
  const login = `conformance_${randomBytes(4).toString('hex')}`;
  const other = `bystander_${randomBytes(4).toString('hex')}`;
  await sql.unsafe(`create role ${login} login password '${login}' in role ${subject.role}`);
  await sql.unsafe(holding);
  const queues = await openQueueServer(labLogger);
  const url = new URL(database.url);
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

  /** A transaction of ours, which is undone when `use` does not commit it. */
  async function inTransaction<Result>(
    use: (client: pg.Client) => Promise<Result>,
  ): Promise<Result> {
    const client = new pg.Client({ connectionString: database.url });
    await client.connect();
    try {
      await client.query('begin');
      return await use(client);
    } finally {
      await client.end();
    }
  }

  /** Runs `use` when all that changed is captured; in one world of a database at a time, else something may just be on its way. */
  const whenCaptured = <Result>(use: () => Promise<Result>): Promise<Result> =>
    inTransaction(async client => {
      await client.query(`select pg_advisory_xact_lock(${capturing})`);
      await capture(sql);
      return use();
    });

  const world: World = {
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
      const queueNames = await sql<{ queue: string }[]>`select queue from outbox.subscriptions`;
      const others = queueNames.map(({ queue }) => queue).filter(queue => queue !== own);
      const deliveries = await whenCaptured(() => outbox.claimDeliveries(100_000, others));
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
      inTransaction(async client => {
        await client.query(`select pg_advisory_xact_lock(${lockOf(table)})`);
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
      program.start();
    },
    removeWhileItStores: (indicatorId, act) =>
      inTransaction(async client => {
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
    async addBystander() {
      const symbol = await world.addInstrument();
      const kind = `${other}_close`;
      await sql`select indicator.register_service(${other})`;
      await sql`select indicator.register_kind(${other}, ${kind}, 'Close', 'Neutral', 'Close', 'Close',
        parameters => '[]', columns => '{close}', outputs => '[{"name": "close", "unit": "price", "pane": "price"}]',
        bars_required => '[{"plus": 1}]')`;
      await world.record(symbol, new Map([1, 2, 3].map(minute => [minute, minute])));
      await world.addIndicator(symbol, kind);
      await whenCaptured(
        async () => sql`
        select indicator.accept_candles(${other}, array_agg(${symbol}::text), array_agg(c.timeframe),
          array_agg(c.side), array_agg(c.bucket), array_agg(c.revision))
        from outbox.candles as c
        where c.instrument_id = feed.instrument_id(${symbol}) and c.timeframe = ${timeframe} and c.side = ${side}`,
      );
      const there = await world.bystander();
      if (!there.get('changed candles') || !there.get('history'))
        throw new Error('nothing waits for the service beside it');
    },
    async bystander() {
      const rows = await sql<{ what: string; rows: string }[]>`
        select 'signs of life' as what, coalesce(string_agg(p::text, E'\n' order by p.process, p.host, p.process_id), '') as rows
        from ops.processes as p where p.services @> array[${other}]
        union all
        select 'changed candles', coalesce(string_agg(p::text, E'\n' order by p.work_id), '')
        from indicator.pending as p where p.service = ${other}
        union all
        select 'history', coalesce(string_agg(b::text, E'\n'), '') from indicator.backfills as b where b.service = ${other}
        union all
        select 'values', coalesce(string_agg(v::text, E'\n' order by v.bucket), '')
        from indicator.values as v
        join indicator.definitions as d using (indicator_id)
        join indicator.kinds as k using (kind)
        where k.service = ${other}
        union all
        select 'dead letters', coalesce(string_agg(l::text, E'\n' order by l.dead_letter_id), '')
        from indicator.dead_letters as l where l.service = ${other}`;
      return new Map(rows.map(row => [row.what, row.rows]));
    },
    async forgetWork() {
      const QueueUrl = await ensureQueue(queues.sqs, await queueName());
      await queues.sqs.send(new PurgeQueueCommand({ QueueUrl }));
      await sql`delete from indicator.pending where service = ${service}`;
      await sql`delete from indicator.backfills where service = ${service}`;
    },
    async valuesOf(indicatorId) {
      const rows = await sql<Value[]>`
        select to_char(v.bucket, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as bucket, v.revision::int as revision,
          concat_ws(' ', v.outputs::text, v.verdict, v.strength, v.horizon, v.low, v.high, v.bars) as bits
        from indicator.values as v where v.indicator_id = ${indicatorId} order by v.bucket`;
      return [...rows];
    },
    async faultOf(indicatorId) {
      const [row] = await sql<{ fault: string }[]>`
        with candles as (
          select c.bucket, row_number() over (order by c.bucket) as place, d.bars_window, o.revision
          from indicator.definitions as d
          join feed.instruments as i using (instrument_id)
          cross join lateral feed.candles(i.symbol, d.timeframe, d.side, '-infinity', 'infinity') as c
          left join outbox.candles as o on o.instrument_id = d.instrument_id and o.timeframe = d.timeframe
            and o.side = d.side and o.bucket = c.bucket
          where d.indicator_id = ${indicatorId}
        ),
        due as (
          select c.bucket, least(c.place, c.bars_window) as bars, max(w.revision) as revision
          from candles as c
          join candles as w on w.place between c.place - c.bars_window + 1 and c.place
          group by c.bucket, c.place, c.bars_window
        ),
        compared as (
          select coalesce(c.bucket, v.bucket) as bucket,
            case
              when v.bucket is null then 'it has no value'
              when c.bucket is null then 'it has a value, but is no candle'
              when v.bars <> c.bars then format('its value is of %s candles in place of %s', v.bars, c.bars)
              when v.revision < c.revision then format('its value has revision %s, a candle of its window %s', v.revision, c.revision)
              when v.revision > pg_sequence_last_value('outbox.revision')
                then format('its value has revision %s, which no claim had', v.revision)
            end as fault
          from due as c
          full join (select * from indicator.values where indicator_id = ${indicatorId}) as v using (bucket)
        )
        select format('%s of %s candles are not right; %s: %s', count(*) filter (where fault is not null), count(*),
          (array_agg(bucket order by bucket) filter (where fault is not null))[1],
          (array_agg(fault order by bucket) filter (where fault is not null))[1]) as fault
        from compared having count(*) filter (where fault is not null) > 0`;
      return row?.fault;
    },
    async sayingFaultOf(indicatorId, candles) {
      const [row] = await sql<{ fault: string }[]>`
        select format('of the candle %s, %s', v.bucket, case
          when s.price is null then 'nothing is kept'
          else format('the close is kept as %s, it is %s', s.price, c.close) end) as fault
        from indicator.definitions as d
        join feed.instruments as i using (instrument_id)
        cross join lateral (
          select c.bucket, c.close
          from feed.candles(i.symbol, d.timeframe, d.side, '-infinity', 'infinity') as c
          order by c.bucket desc
          limit ${candles}
        ) as c
        join indicator.values as v on v.indicator_id = d.indicator_id and v.bucket = c.bucket and v.value is not null
        left join lateral (
          select s.price from indicator.verdicts as s
          where s.indicator_id = v.indicator_id and s.bucket = v.bucket
          order by s.revision desc
          limit 1
        ) as s on true
        where d.indicator_id = ${indicatorId} and s.price is distinct from c.close
        order by v.bucket
        limit 1`;
      return row?.fault;
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

/** What adds to these tables waits for who holds their lock; a lock of the table would stop claims too. */
const heldTables: readonly HeldTable[] = ['indicator.pending', 'indicator.values'];
const capturing = 738_299;
const lockOf = (table: HeldTable): number => 738_300 + heldTables.indexOf(table);
const holding = `
  create schema if not exists conformance;
  create or replace function conformance.wait() returns trigger language plpgsql as $$
  begin
    perform pg_advisory_xact_lock_shared(tg_argv[0]::bigint);
    return null;
  end $$;
  ${heldTables
    .map(
      table => `create or replace trigger conformance_wait before insert on ${table}
      for each statement execute function conformance.wait(${lockOf(table)});`,
    )
    .join('\n')}`;

async function ensureQueue(sqs: SQSClient, name: string): Promise<string> {
  try {
    const { QueueUrl = '' } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
    return QueueUrl;
  } catch {
    const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
    return QueueUrl;
  }
}
