create or replace function alert.sight(rule alert.rules, bucket timestamptz)
returns alert.sighting
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
  captured outbox.candles;
  price double precision;
  found_value indicator.values;
  subject double precision;
  reference double precision;
  rated record;
  result alert.sighting;
begin
  result.bucket := sight.bucket;
  select c.* into captured
  from outbox.candles as c
  where c.instrument_id = rule.instrument_id and c.timeframe = rule.timeframe and c.side = rule.side and c.bucket = sight.bucket;
  -- What was captured is forgotten after some days.
  price := coalesce(captured.close, (
    select c.close
    from feed.read_candles(rule.timeframe, array[rule.instrument_id], array[rule.side],
      sight.bucket, sight.bucket + feed.timeframe_width(rule.timeframe)) as c));

  if rule.kind = 'rating' then
    select * into rated from alert.rating_at(rule.instrument_id, rule.timeframe, rule.side, sight.bucket);
    result.state := rating.band(rated.rating);
    result.detail := jsonb_build_object(
      'rating', rated.rating, 'moving_averages', rated.moving_averages, 'oscillators', rated.oscillators,
      'counted', rated.counted, 'votes', rated.votes);
    -- Its votes come one after the other.
    result.is_settled := rated.missing = 0
      and (rated.lowest_revision = rated.highest_revision or rated.lowest_revision >= coalesce(captured.revision, 0));
    found_value.revision := rated.lowest_revision;
  else
    select v.* into found_value
    from indicator.values_at(array[rule.indicator_id], array[sight.bucket]) as v;
    result.detail := (
      select jsonb_build_object(
        'value', found_value.value, 'verdict', found_value.verdict, 'strength', found_value.strength,
        'outputs', coalesce(jsonb_object_agg(o.spec ->> 'name', found_value.outputs[o.place]), '{}'))
      from indicator.definitions as d
      join indicator.kinds as k using (kind)
      cross join jsonb_array_elements(k.outputs) with ordinality as o(spec, place)
      where d.indicator_id = rule.indicator_id
    );
    if found_value.horizon is not null then
      result.detail := result.detail || jsonb_build_object('forecast', jsonb_build_object(
        'horizon', found_value.horizon, 'low', found_value.low, 'high', found_value.high));
    end if;
    subject := case when rule.output is null then found_value.value else (result.detail -> 'outputs' ->> rule.output)::double precision end;
    reference := coalesce(rule.level, price);
    result.is_settled := rule.kind = 'verdict' or reference is not null;
    result.state := case
      when found_value.value is null then null
      when rule.kind = 'verdict' then (array['bearish', 'neutral', 'bullish'])[found_value.verdict + 2]
      when reference is null then null
      when rule.kind = 'forecast' and rule.output is null then case
        when found_value.low > reference then 'above'
        when found_value.high < reference then 'below'
        when found_value.low is not null then 'inside'
      end
      when subject > reference then 'above'
      when subject < reference then 'below'
      when subject = reference then 'at'
    end;
  end if;

  result.detail := result.detail || jsonb_build_object('price', feed.without_noise(price, rule.side));
  -- What it says of a candle that is over is final when it is of the candle's last state.
  if rule.closed_only then
    result.is_settled := result.is_settled
      and (captured.instrument_id is null or captured.is_closed and captured.revision <= found_value.revision)
      and sight.bucket <= (
        select clock_timestamp() - t.width - s.grace
        from feed.instruments as i
        join feed.sources as s using (source)
        join feed.timeframes as t on t.timeframe = rule.timeframe
        where i.instrument_id = rule.instrument_id
      );
  end if;
  return result;
end
$$;

comment on function alert.sight(alert.rules, timestamptz) is
  'What a rule on an indicator or a rating sees at a candle (bucket in UTC).';
