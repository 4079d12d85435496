create or replace function indicator.register_kind(
  service text, kind text, description text, rule text, label text, definition text,
  parameters jsonb, columns text[], outputs jsonb, bars_required jsonb, bars_window jsonb default null,
  closed_only boolean default false, defaults jsonb default '[]'
)
returns void
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  known indicator.kinds;
  window_sums jsonb := coalesce(bars_window, bars_required);
  fault text := indicator.kind_fault(parameters, columns, outputs, bars_required, window_sums);
  has_other_outputs boolean;
  preset jsonb;
  wished_id int;
  changed record;
begin
  perform indicator.checked_service(register_kind.service);
  select k.* into known from indicator.kinds as k where k.kind = register_kind.kind;
  if known.service <> register_kind.service then
    raise exception 'the kind % belongs to the service %', register_kind.kind, known.service
      using errcode = 'KINDS', hint = 'Choose another name for it.';
  end if;
  if not closed_only and (select s.closed_only from indicator.services as s where s.service = register_kind.service) then
    fault := coalesce(fault, 'its service is told about closed candles only, so it must be closed_only too');
  end if;
  if fault is not null then
    raise exception 'the kind % cannot be registered: %', register_kind.kind, left(fault, 500) using errcode = 'KINDS';
  end if;
  insert into indicator.kinds as k (kind, service, description, rule, label, definition, parameters, columns, outputs,
    bars_required, bars_window, closed_only)
  values (register_kind.kind, register_kind.service, register_kind.description, register_kind.rule, register_kind.label,
    register_kind.definition, register_kind.parameters, register_kind.columns, register_kind.outputs,
    register_kind.bars_required, window_sums, register_kind.closed_only)
  on conflict on constraint kinds_pkey do update set
    description = excluded.description, rule = excluded.rule, label = excluded.label, definition = excluded.definition,
    parameters = excluded.parameters, columns = excluded.columns, outputs = excluded.outputs,
    bars_required = excluded.bars_required, bars_window = excluded.bars_window, closed_only = excluded.closed_only
  where (k.description, k.rule, k.label, k.definition, k.parameters, k.columns, k.outputs, k.bars_required, k.bars_window, k.closed_only)
    is distinct from (excluded.description, excluded.rule, excluded.label, excluded.definition, excluded.parameters, excluded.columns,
      excluded.outputs, excluded.bars_required, excluded.bars_window, excluded.closed_only);

  if known.kind is not null and ('spread' = any (known.columns)) <> ('spread' = any (register_kind.columns)) then
    perform indicator.follow_spread(register_kind.service, d.instrument_id, d.timeframe), indicator.recompute(d.indicator_id)
    from indicator.definitions as d
    where d.kind = register_kind.kind and d.side = 'mid';
  end if;

  -- Another window is another function of the candles: its indicators are computed again.
  has_other_outputs := known.kind is not null and known.outputs <> register_kind.outputs;
  select coalesce(jsonb_object_agg(p.spec ->> 'name', p.spec -> 'default'), '{}') into preset
  from jsonb_array_elements(register_kind.parameters) as p(spec);
  for changed in
    update indicator.definitions as d
    set label = n.label, bars_required = n.bars_required, bars_window = n.bars_window, output_count = n.output_count,
      params = preset || o.params
    from indicator.definitions as o
    cross join lateral indicator.derived(o.kind, preset || o.params) as n
    where d.indicator_id = o.indicator_id and o.kind = register_kind.kind
      and (has_other_outputs or (o.label, o.bars_required, o.bars_window, o.params)
        is distinct from (n.label, n.bars_required, n.bars_window, preset || o.params))
    returning d.indicator_id,
      (o.bars_required, o.bars_window, o.params) is distinct from (d.bars_required, d.bars_window, d.params) as is_other_window
  loop
    if changed.is_other_window or has_other_outputs then
      perform indicator.recompute(changed.indicator_id);
    end if;
  end loop;

  update indicator.wishes as w set params = preset || w.params
  where w.kind = register_kind.kind and w.params <> preset || w.params;
  update indicator.sets as s set params = preset || s.params
  where s.kind = register_kind.kind and s.params <> preset || s.params;

  if known.kind is null then
    -- Who is adding an instrument, or wishing a set, does not see this kind yet, nor is it seen here: it is waited for.
    perform pg_advisory_xact_lock(hashtext('indicator.wishes'));
    for wished_id in
      select indicator.wish('*', d.timeframe, d.side, kind => register_kind.kind, params => d.params)
      from jsonb_to_recordset(register_kind.defaults) as d(timeframe text, side text, params jsonb)
      join feed.timeframes as t using (timeframe)
    loop
      perform indicator.fulfil(wished_id);
    end loop;
    perform indicator.fulfil(w.wish_id, kind => s.kind, params => s.params)
    from indicator.sets as s
    join indicator.wishes as w using (set)
    where s.kind = register_kind.kind
    order by w.wish_id;
  end if;
end
$$;

comment on function indicator.register_kind(text, text, text, text, text, text, jsonb, text[], jsonb, jsonb, jsonb, boolean, jsonb) is
  'A service says what it can compute, each time it starts. rule: when the verdict is bullish, bearish, neutral, in words. label: text with {parameter} in it. definition: where the formula comes from. parameters: [{"name", "type": "integer" or "number", "min", "max", "default", "less_than": other parameter}, {"name", "type": "choice", "choices": [texts], "default"}]. columns: which of open, high, low, close, average, volume, tick_count, start (left edge of the candle) it reads, and spread (the last ask less the last bid, of mid), which only a series whose indicators declare it has. outputs: [{"name", "unit": "price", "percent", "ratio", "count", "probability" or "basis_points", "pane": "price" or "own", "thresholds": [numbers]}], the first is the value. bars_required: candles that a value needs at least, bars_window (null: the same): from how many it is computed when there are enough; lists of sums of which the largest counts, as [{"slow": 1, "plus": 1}]. closed_only: not of candles that form. defaults: [{"timeframe", "side", "params"}] that every instrument gets, side left out: the one it has; they are taken only the first time, afterwards indicator.wishes is the operator''s. Errors: NOSVC, KINDS a kind of another service, or a declaration that is wrong.';
grant execute on function indicator.register_kind(text, text, text, text, text, text, jsonb, text[], jsonb, jsonb, jsonb, boolean, jsonb) to foresight_indicators, foresight_service;
