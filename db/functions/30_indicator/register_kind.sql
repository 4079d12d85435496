create or replace function indicator.register_kind(
  service text, kind text, description text, rule text, label text, parameters jsonb, bars jsonb, defaults jsonb default '[]'
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  is_new boolean := not exists (select from indicator.kinds as k where k.kind = register_kind.kind);
  owner text;
  instrument record;
  changed record;
begin
  perform indicator.checked_service(register_kind.service);
  select k.service into owner from indicator.kinds as k where k.kind = register_kind.kind;
  if owner <> register_kind.service then
    raise exception 'the kind % belongs to the service %', register_kind.kind, owner
      using errcode = 'KINDS', hint = 'Choose another name for it.';
  end if;
  insert into indicator.kinds as k (kind, service, description, rule, label, parameters, bars)
  values (register_kind.kind, register_kind.service, register_kind.description, register_kind.rule, register_kind.label,
    register_kind.parameters, register_kind.bars)
  on conflict on constraint kinds_pkey do update set
    description = excluded.description, rule = excluded.rule, label = excluded.label,
    parameters = excluded.parameters, bars = excluded.bars
  where (k.description, k.rule, k.label, k.parameters, k.bars)
    is distinct from (excluded.description, excluded.rule, excluded.label, excluded.parameters, excluded.bars);

  -- Another window is another function of the candles: its indicators are computed again.
  for changed in
    update indicator.definitions as d set label = n.label, bars_required = n.bars_required
    from indicator.definitions as o
    cross join lateral indicator.derived(o.kind, o.params) as n
    where d.indicator_id = o.indicator_id and o.kind = register_kind.kind
      and (o.label, o.bars_required) is distinct from (n.label, n.bars_required)
    returning d.indicator_id, o.bars_required <> n.bars_required as is_other_window
  loop
    if changed.is_other_window then
      perform indicator.recompute(changed.indicator_id);
    end if;
  end loop;

  if is_new then
    insert into indicator.defaults (kind, timeframe, side, params)
    select register_kind.kind, d.timeframe, coalesce(d.side, 'mid'), d.params
    from jsonb_to_recordset(register_kind.defaults) as d(timeframe text, side text, params jsonb)
    join feed.timeframes as t using (timeframe)
    on conflict do nothing;
    for instrument in select i.symbol from feed.instruments as i where i.is_active order by i.symbol loop
      perform indicator.add_defaults(instrument.symbol);
    end loop;
  end if;
end
$$;

comment on function indicator.register_kind(text, text, text, text, text, jsonb, jsonb, jsonb) is
  'A service says what it can compute. parameters: [{"name", "type": "integer" or "number", "min", "max", "default", "less_than": other parameter}]. bars: window length in candles as a sum, for example {"slow": 1, "plus": 1}. label: text with {parameter} in it. defaults: [{"timeframe", "side", "params"}] that every instrument gets; they are taken only the first time, afterwards indicator.defaults is the operator''s. Errors: NOSVC, KINDS a kind of another service.';
grant execute on function indicator.register_kind(text, text, text, text, text, jsonb, jsonb, jsonb) to foresight_indicators;
