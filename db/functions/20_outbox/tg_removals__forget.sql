create or replace function outbox.tg_removals__forget()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  users text;
begin
  select string_agg(distinct s.name, ', ') into users
  from outbox.filters as f join outbox.subscriptions as s using (subscription_id)
  where f.instrument_id = new.instrument_id and not exists (
    select from outbox.filters as o
    where o.subscription_id = f.subscription_id and o.instrument_id is distinct from new.instrument_id
  );
  if users is not null then
    raise exception 'the instrument % is all that these subscriptions are about: %', new.symbol, left(users, 500)
      using errcode = 'INUSE', hint = 'End those first: select outbox.unsubscribe(name);';
  end if;
  delete from outbox.filters as f where f.instrument_id = new.instrument_id;
  delete from outbox.backfills as b where b.instrument_id = new.instrument_id;
  return null;
end
$$;

comment on function outbox.tg_removals__forget() is
  'When an instrument is removed: no subscription is told of it any more. Error INUSE: a subscription is about nothing else.';

create or replace trigger _120_forget_filters
  after insert on feed.removals
  for each row execute function outbox.tg_removals__forget();
