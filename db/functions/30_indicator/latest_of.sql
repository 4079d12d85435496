create or replace function indicator.latest_of(indicator_ids int[])
returns table (
  indicator_id int, bucket timestamptz, value double precision, outputs jsonb, verdict smallint, strength real, forecast jsonb,
  bars int, revision bigint, computed_at timestamptz
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
set jit = off
as $$
#variable_conflict use_column
begin
  return query
  select d.indicator_id, v.bucket, v.value,
    (select coalesce(jsonb_agg('{"thresholds": []}' || o.spec || jsonb_build_object('value', v.outputs[o.place]) order by o.place), '[]')
      from jsonb_array_elements(k.outputs) with ordinality as o(spec, place)),
    v.verdict, v.strength,
    case when v.horizon is not null then jsonb_build_object('horizon', v.horizon, 'low', v.low, 'high', v.high) end,
    coalesce(v.bars, 0), v.revision, v.computed_at
  from indicator.definitions as d
  join indicator.kinds as k using (kind)
  left join indicator.newest_values(indicator_ids) as v using (indicator_id)
  where d.indicator_id = any (indicator_ids);
end
$$;

comment on function indicator.latest_of(int[]) is
  'The newest value of each of some indicators, for those to read who show it: outputs and forecast as indicator.latest has them; bucket (UTC) and what belongs to it null, and bars 0, while there is none.';
