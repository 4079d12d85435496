import { beforeAll, beforeEach, expect, it } from 'vitest';
import { addInstrument, describeOnEngine } from '../../../tests/support/database.ts';
import {
  accept,
  addIndicator,
  catchUp,
  claim,
  computeAll,
  finish,
  publish,
  registerCatalog,
} from '../../../tests/support/indicators.ts';
import { untilBlocked, withSessions } from '../../../tests/support/session.ts';
import { tickOf } from '../../../tests/support/ticks.ts';
import type { Work } from '../../../workers/indicators/service.ts';
import { createFeed } from '../../../workers/ingest/feed.ts';
import { createOutbox } from '../../../workers/publish/outbox.ts';

describeOnEngine('Indicators with a pace', ({ sql }) => {
  const feed = createFeed(sql);
  let symbol: string;
  let now: string;
  let paced: number;
  let atOnce: number;
  let price: number;

  beforeAll(() => registerCatalog(sql));

  /** Two indicators of one series, whose candle is of a day that has not ended, so that it forms for as long as a test takes. */
  beforeEach(async () => {
    await catchUp(sql);
    await sql`delete from indicator.pending`;
    symbol = await addInstrument(sql);
    price = 0;
    const on = { timeframe: '1d' };
    paced = await addIndicator(sql, symbol, { fast: 1, slow: 2 }, on);
    atOnce = await addIndicator(sql, symbol, { fast: 1, slow: 3 }, on);
    await setPace(paced, '1 hour');
    await computeAll(sql);
    const [row] = await sql<{ now: string }[]>`
      select to_char(now() + interval '2 seconds', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as now`;
    now = row?.now ?? '';
  });

  const setPace = (id: number, pace: string) =>
    sql`select indicator.set_pace(${id}, ${pace}::text::interval)`;

  async function change(observedAt = now): Promise<void> {
    price += 1;
    await feed.recordTicks('manual', [tickOf(symbol, observedAt, { seq: price, bid: price })]);
    await accept(sql, await publish(sql));
  }

  const idsOf = (works: readonly Work[]) =>
    works.flatMap(work => work.indicators.map(each => each.indicator_id)).toSorted((a, b) => a - b);

  async function turn() {
    const [row] = await sql<{ state: string; at: string; since: string; revision: number }[]>`
      select case when leased_until <= now() then 'due' when leased_until <= now() + interval '1 hour' then 'ahead' end
          as state, leased_until::text as at,
        accepted_at::text as since, revision::int
      from indicator.pending where instrument_id = feed.instrument_id(${symbol}) and forming_every > '0'`;
    return row;
  }

  const passTime = () => sql`
    update indicator.pending set leased_until = now() - interval '1 second', accepted_at = now() - interval '1 second'
    where instrument_id = feed.instrument_id(${symbol}) and forming_every > '0'`;

  async function revisionOf(id: number) {
    const [row] = await sql<{ revision: number }[]>`
      select revision::int from indicator.values where indicator_id = ${id} order by bucket desc limit 1`;
    return row?.revision;
  }

  it('are computed when their turn has come, with the candle of then', async () => {
    await change();
    const works = await claim(sql);
    expect(idsOf(works), 'the other one does not wait').toEqual([atOnce]);
    await finish(sql, works);
    const first = await turn();
    expect(first?.state).toBe('ahead');
    expect(first?.since, 'what keeps its pace is not late').toBe(first?.at);
    await change();
    const second = await turn();
    expect(second).toMatchObject({ at: first?.at });
    expect(second?.revision).toBeGreaterThan(first?.revision ?? 0);
    await passTime();
    await change();
    expect((await turn())?.state, 'its turn is not put off').toBe('due');
    const due = await claim(sql);
    expect(idsOf(due)).toEqual([paced, atOnce]);
    await finish(sql, due);
    expect(await revisionOf(paced)).toBe(await revisionOf(atOnce));
    expect(await turn()).toBeUndefined();
  });

  it('wait for the next turn when the candle changes while they are computed', async () => {
    await change();
    await passTime();
    const works = await claim(sql);
    await change();
    await finish(sql, works);
    expect((await turn())?.state).toBe('ahead');
    expect(idsOf(await claim(sql))).toEqual([atOnce]);
  });

  it('keep the id of their work while they wait, and have another once it is in hand', async () => {
    const workId = async () => {
      const [row] = await sql<{ work_id: string }[]>`
        select work_id from indicator.pending
        where instrument_id = feed.instrument_id(${symbol}) and forming_every > '0'`;
      return row?.work_id;
    };
    await change();
    const waiting = await workId();
    await change();
    expect(await workId()).toBe(waiting);
    await passTime();
    await change();
    expect(await workId()).toBe(waiting);
    await claim(sql);
    await change();
    expect(await workId()).not.toBe(waiting);
  });

  it('are no work until then, and the moment is known', async () => {
    await change();
    await finish(sql, await claim(sql));
    const [row] = await sql`
      select indicator.next_work_at('classical') = (select min(leased_until) from indicator.pending) as is_turn,
        indicator.next_work_at('classical') > now() as is_later`;
    expect(row).toEqual({ is_turn: true, is_later: true });
  });

  it('are not behind, and nothing waits, while they keep their pace', async () => {
    const told = async () => {
      const [row] = await sql`
        select (select count(*)::int from indicator.behind where symbol = ${symbol}) as behind,
          (select pending::int from ops.lag where step = 'queue to indicator') as waiting,
          (select pending::int from ops.services where service = 'classical') as pending,
          dashboard.status_line() ~ 'up to date' as is_up_to_date`;
      return row;
    };
    await change();
    await finish(sql, await claim(sql));
    await change();
    await finish(sql, await claim(sql));
    expect(await told()).toEqual({ behind: 0, waiting: 0, pending: 0, is_up_to_date: true });
    await passTime();
    expect(await told()).toEqual({ behind: 0, waiting: 1, pending: 1, is_up_to_date: false });
    await setPace(paced, '0');
    expect(await told(), 'the candle changed since').toMatchObject({ behind: 1 });
  });

  it('are computed at once for a candle that closes', async () => {
    await change();
    await finish(sql, await claim(sql));
    await sql`update outbox.candles set closes_at = now() - interval '1 second'
      where instrument_id = feed.instrument_id(${symbol})`;
    await createOutbox(sql).closeCandles();
    await accept(sql, await publish(sql));
    expect(idsOf(await claim(sql))).toEqual([paced, atOnce]);
  });

  it('are computed at once for a closed candle that changes', async () => {
    await change('2026-03-02T10:00:00Z');
    expect(idsOf(await claim(sql))).toEqual([paced, atOnce]);
  });

  it('lose nothing that waits when they are given another pace', async () => {
    await change();
    await finish(sql, await claim(sql));
    for (const pace of ['30 minutes', '0']) {
      await setPace(paced, pace);
      await computeAll(sql);
      expect(await revisionOf(paced), pace).toBe(await revisionOf(atOnce));
      await change();
    }
    await setPace(atOnce, '1 hour');
    await computeAll(sql);
    expect(await revisionOf(atOnce)).toBe(await revisionOf(paced));
  });

  it('are given another pace when no candle is just being accepted for the old one', async () => {
    await setPace(paced, '0');
    await feed.recordTicks('manual', [tickOf(symbol, '2026-03-02T10:00:00Z', { bid: 7 })]);
    const message = await publish(sql);
    await withSessions(sql, async (accepting, pacing) => {
      await accepting.sql`begin`;
      await accept(accepting.sql, message);
      const setting = pacing.sql`select indicator.set_pace(${paced}, '1 hour')`.execute();
      await untilBlocked(sql, pacing);
      await accepting.sql`commit`;
      await setting;
    });
    await computeAll(sql);
    expect(await revisionOf(paced)).toBe(await revisionOf(atOnce));
    expect(await revisionOf(paced)).toBeGreaterThan(0);
  });

  it('have their moments spread over the pace', async () => {
    const [row] = await sql<{ moments: number; soonest: boolean; latest: boolean }[]>`
      select count(distinct t.at)::int as moments, min(t.at) > now() as soonest,
        max(t.at) <= now() + interval '1 second' as latest
      from generate_series(1, 100) as i, lateral indicator.next_turn('1 second', i, '1m') as t(at)`;
    expect(row).toMatchObject({ soonest: true, latest: true });
    expect(row?.moments).toBeGreaterThan(8);
  });

  it('are those that are added beyond the limit of their service', async () => {
    await sql`update indicator.services set at_once_limit = (
      select count(*) + 1 from indicator.definitions as d join indicator.kinds as k using (kind)
      where k.service = 'classical' and d.forming_every = '0'
    ) where service = 'classical'`;
    const added: number[] = [];
    for (const period of [5, 6, 7]) {
      added.push(await addIndicator(sql, symbol, { period }, { kind: 'rsi' }));
    }
    added.push(await addIndicator(sql, symbol, { period: 10 }, { kind: 'drift' }));
    const paces = await sql<{ pace: string }[]>`
      select forming_every::text as pace from indicator.definitions
      where indicator_id = any (${added}::int[]) order by indicator_id`;
    expect(paces.map(({ pace }) => pace)).toEqual(['00:00:00', '00:00:01', '00:00:01', '00:00:00']);
    await sql`update indicator.services set at_once_limit = default where service = 'classical'`;
  });

  it('are refused a pace that is none, and of an indicator that is none', async () => {
    await expect(setPace(paced, '61 minutes')).rejects.toMatchObject({ code: '23514' });
    await expect(setPace(paced, '-1 seconds')).rejects.toMatchObject({ code: '23514' });
    await expect(setPace(0, '1 second')).rejects.toMatchObject({ code: 'NOIND' });
  });
});
