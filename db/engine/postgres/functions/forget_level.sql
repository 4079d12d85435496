create or replace procedure feed.forget_level(level text, instrument_id int)
language plpgsql
as $$
declare
  relation regclass := (select s.relation::regclass from feed.storage as s where s.level = forget_level.level);
  is_left boolean;
begin
  loop
    execute format('select exists (select from %s as o where o.instrument_id = $1)', relation)
    into is_left using forget_level.instrument_id;
    exit when not is_left;
    execute format(
      'delete from %1$s as d where d.ctid = any (array(select o.ctid from %1$s as o where o.instrument_id = $1 limit 20000))', relation)
    using forget_level.instrument_id;
    commit;
  end loop;
end
$$;

comment on procedure feed.forget_level(text, int) is
  'Delete all that a level of feed.storage, ticks or candles, has of an instrument that is in feed.removals. Plain PostgreSQL: 20,000 rows a transaction.';
