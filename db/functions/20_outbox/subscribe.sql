create or replace function outbox.subscribe(
  name text,
  queue text,
  symbol text default null,
  timeframe text default null,
  side text default 'mid',
  closed_only boolean default false,
  forming_every interval default '0',
  from_time timestamptz default null
)
returns int
language sql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
  select outbox.subscribe(
    name, queue,
    symbols => case when symbol is not null then array[symbol] end,
    timeframes => case when timeframe is not null then array[timeframe] end,
    sides => array[side], closed_only => closed_only, forming_every => forming_every, from_time => from_time)
$$;

comment on function outbox.subscribe(text, text, text, text, text, boolean, interval, timestamptz) is
  'Send candles that change from now on to an SQS queue, which is made when it is missing; returns the subscription''s id. symbol or timeframe null: all of them. closed_only: not the forming ones. forming_every: at most one state of a candle per this time while it forms. from_time (UTC): also the stored candles that end after it, oldest first. Called again with the same name and settings it adds another filter. Errors: NOINS, NOTFR, SUBEX the name is taken, 23514 a name, queue, side or pace that is not allowed.';

create or replace function outbox.subscribe(
  name text,
  queue text,
  symbols text[],
  timeframes text[] default null,
  sides text[] default '{mid}',
  closed_only boolean default false,
  forming_every interval default '0',
  from_time timestamptz default null
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  subscription outbox.subscriptions;
  instrument_ids int[];
begin
  select array_agg(feed.instrument_id(w.symbol)) into instrument_ids from unnest(symbols) as w(symbol);
  perform feed.timeframe_width(w.timeframe) from unnest(timeframes) as w(timeframe);
  if cardinality(symbols) = 0 or cardinality(timeframes) = 0 or coalesce(cardinality(sides), 0) = 0 then
    raise exception 'a subscription needs at least one symbol, timeframe and side'
      using errcode = '22023', hint = 'null symbols or timeframes mean all of them.';
  end if;
  insert into outbox.subscriptions (name, queue, closed_only, forming_every)
  values (subscribe.name, subscribe.queue, subscribe.closed_only, subscribe.forming_every)
  on conflict on constraint subscriptions_name_key do nothing;
  select * into subscription from outbox.subscriptions as s where s.name = subscribe.name;
  if (subscription.queue, subscription.closed_only, subscription.forming_every)
    is distinct from (subscribe.queue, subscribe.closed_only, subscribe.forming_every)
  then
    raise exception 'the subscription % exists with queue %, closed_only % and forming_every %',
      subscription.name, subscription.queue, subscription.closed_only, subscription.forming_every
      using errcode = 'SUBEX', hint = 'Choose another name, or remove it first: select outbox.unsubscribe(name);';
  end if;
  insert into outbox.filters (subscription_id, instrument_id, timeframe, side)
  select subscription.subscription_id, i.instrument_id, t.timeframe, s.side
  from unnest(coalesce(instrument_ids, array[null::int])) as i(instrument_id)
  cross join unnest(coalesce(timeframes, array[null::text])) as t(timeframe)
  cross join unnest(sides) as s(side)
  -- In one order, so that two that ask for the same do not wait for each other.
  order by 2, 3, 4
  on conflict do nothing;
  if from_time is not null then
    insert into outbox.backfills as old (subscription_id, instrument_id, timeframe, side, next_bucket)
    select subscription.subscription_id, i.instrument_id, t.timeframe, s.side,
      feed.bucket(t.width, from_time)
    from feed.instruments as i
    cross join feed.timeframes as t
    cross join unnest(sides) as s(side)
    where (instrument_ids is null or i.instrument_id = any (instrument_ids))
      and (timeframes is null or t.timeframe = any (timeframes))
    order by 2, 3, 4
    on conflict on constraint backfills_pkey do update
      set next_bucket = least(old.next_bucket, excluded.next_bucket), since_revision = null;
  end if;
  return subscription.subscription_id;
end
$$;

comment on function outbox.subscribe(text, text, text[], text[], text[], boolean, interval, timestamptz) is
  'As outbox.subscribe for one symbol, for each of several symbols, timeframes and sides (null symbols or timeframes: all). Errors as there, and 22023 an empty array.';
