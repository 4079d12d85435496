create or replace function indicator.redrive(service text default null)
returns int
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  letter indicator.dead_letters;
  last_id bigint := (select max(d.dead_letter_id) from indicator.dead_letters as d);
  redriven int := 0;
begin
  for letter in
    select d.* from indicator.dead_letters as d
    where (redrive.service is null or d.service = redrive.service) and d.dead_letter_id <= last_id
    order by d.dead_letter_id
    for update skip locked
  loop
    begin
      delete from indicator.dead_letters as d where d.dead_letter_id = letter.dead_letter_id;
      if letter.reason = 'not_computed' and letter.body::jsonb ? 'indicator_id' then
        -- A history that went on without some of its values; of an indicator that is gone, nothing is left to do.
        perform indicator.recompute(d.indicator_id, (letter.body::jsonb ->> 'bucket')::timestamptz)
        from indicator.definitions as d
        where d.indicator_id = (letter.body::jsonb ->> 'indicator_id')::int and d.service = letter.service;
        redriven := redriven + 1;
        continue;
      end if;
      perform indicator.accept_candles(
        letter.service, array_agg(c ->> 'symbol'), array_agg(c ->> 'timeframe'), array_agg(c ->> 'side'),
        array_agg((c ->> 'bucket')::timestamptz), array_agg((c ->> 'revision')::bigint))
      from jsonb_array_elements(
        -- A message, or the candle that it named.
        case when letter.body::jsonb ? 'candles' then letter.body::jsonb -> 'candles' else jsonb_build_array(letter.body::jsonb) end
      ) as c
      having bool_and(c ?& '{symbol,timeframe,side,bucket,revision}')
        and (letter.reason <> 'not_a_message' or (letter.body::jsonb ->> 'version')::int = 1);
      if not found then
        raise exception 'it is no message of version 1';
      end if;
      redriven := redriven + 1;
    exception when others then
      -- It stays as it is.
      null;
    end;
  end loop;
  return redriven;
end
$$;

comment on function indicator.redrive(text) is
  'Take what a service, or (null) any of them, refused or set aside once more: what is accepted now is computed, what is refused again has a new letter. Returns how many were taken; those that are no message of ours stay.';
