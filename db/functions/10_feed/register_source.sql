create or replace function feed.register_source(
  source text,
  is_simulated boolean,
  description text default '',
  grace interval default interval '1 second',
  is_repairable boolean default false,
  is_pushed boolean default false
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  was_simulated boolean;
begin
  select s.is_simulated into was_simulated from feed.sources as s
  where s.source = register_source.source for update;
  if was_simulated <> register_source.is_simulated
    and exists (select from feed.instruments as i where i.source = register_source.source)
  then
    raise exception 'the source % has instruments whose prices are %', register_source.source,
      case when was_simulated then 'simulated' else 'not simulated' end
      using errcode = 'LABEL', hint = 'Their label would change with all their history: choose another name.';
  end if;
  -- grace is an operator's to change, so only a new row takes it.
  insert into feed.sources as s (source, is_simulated, description, grace, is_repairable, is_pushed)
  values (register_source.source, register_source.is_simulated, register_source.description,
    register_source.grace, register_source.is_repairable, register_source.is_pushed)
  on conflict on constraint sources_pkey do update set
    is_simulated = excluded.is_simulated, description = excluded.description,
    is_repairable = excluded.is_repairable, is_pushed = excluded.is_pushed
    where (s.is_simulated, s.description, s.is_repairable, s.is_pushed)
      is distinct from (excluded.is_simulated, excluded.description, excluded.is_repairable, excluded.is_pushed);
end
$$;

comment on function feed.register_source(text, boolean, text, interval, boolean, boolean) is
  'Make a source known, or say anew what it is; its process calls it when it starts, or an operator for one whose ticks are pushed. source: a letter, then letters, digits and _, at most 32, all small. grace: how long after its end a candle stays forming, at most an hour; of a source that is there already it stays as it is. is_repairable: the process asks the provider for what was missed. is_pushed: there is no process, its ticks come by feed.push_ticks. Errors: LABEL instruments of it would change between simulated and real, 23514 a name or grace that is not allowed.';
grant execute on function feed.register_source(text, boolean, text, interval, boolean, boolean) to foresight_ingest;
