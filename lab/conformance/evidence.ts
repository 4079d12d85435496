import type { Sql } from '../../db/runtime/database.ts';

/** A stored value, in all its bits. */
export interface Value {
  readonly bucket: string;
  readonly bits: string;
  readonly revision: number;
}

export async function valuesOf(sql: Sql, indicatorId: number): Promise<Value[]> {
  const rows = await sql<Value[]>`
    select to_char(v.bucket, 'YYYY-MM-DD"T"HH24:MI:SS"Z"') as bucket, v.revision::int as revision,
      concat_ws(' ', v.outputs::text, v.verdict, v.strength, v.horizon, v.low, v.high, v.bars) as bits
    from indicator.values as v where v.indicator_id = ${indicatorId} order by v.bucket`;
  return [...rows];
}

/** Why these are not the values that there must be; undefined: they are. */
export async function faultOf(sql: Sql, indicatorId: number): Promise<string | undefined> {
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
}

/** Why what it said of the newest candles, when they were closed, was not kept; undefined: it was. */
export async function sayingFaultOf(
  sql: Sql,
  indicatorId: number,
  candles: number,
): Promise<string | undefined> {
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
}
