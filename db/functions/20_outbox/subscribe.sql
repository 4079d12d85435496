create or replace function outbox.subscribe(
  name text,
  queue text,
  symbol text default null,
  timeframe text default null,
  side text default 'mid',
  closed_only boolean default false
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  subscription outbox.subscriptions;
  wanted_id int := case when subscribe.symbol is not null then feed.instrument_id(subscribe.symbol) end;
begin
  if subscribe.timeframe is not null then
    perform feed.timeframe_width(subscribe.timeframe);
  end if;
  insert into outbox.subscriptions (name, queue, closed_only)
  values (subscribe.name, subscribe.queue, subscribe.closed_only)
  on conflict on constraint subscriptions_name_key do nothing;
  select * into subscription from outbox.subscriptions as s where s.name = subscribe.name;
  if subscription.queue <> subscribe.queue or subscription.closed_only <> subscribe.closed_only then
    raise exception 'the subscription % exists with queue % and closed_only %',
      subscription.name, subscription.queue, subscription.closed_only
      using errcode = 'SUBEX', hint = 'Choose another name, or remove it first: select outbox.unsubscribe(name);';
  end if;
  insert into outbox.filters (subscription_id, instrument_id, timeframe, side)
  values (subscription.subscription_id, wanted_id, subscribe.timeframe, subscribe.side)
  on conflict do nothing;
  return subscription.subscription_id;
end
$$;

comment on function outbox.subscribe(text, text, text, text, text, boolean) is
  'Send candles that change from now on to an SQS queue, which is made when it is missing; returns the subscription''s id. symbol or timeframe null: all of them. closed_only: not the forming ones. Called again with the same name and queue it adds another filter. Errors: NOINS, NOTFR, SUBEX the name is taken, 23514 a name, queue or side that is not allowed.';
