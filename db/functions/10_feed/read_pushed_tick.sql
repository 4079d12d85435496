-- What feed.tick_fault finds is left to it. The reasons that are given here are those that it never gives for what
-- comes from here, so that two pushers never wait in a circle for each other's counts.
--
-- What is larger than a double can be stays beyond the bounds of feed.tick_fault, and what is nearer to zero is zero.
create or replace function feed.read_pushed_tick(pushed jsonb)
returns table (
  symbol text, observed_at timestamptz, seq bigint,
  bid double precision, ask double precision, last double precision, size double precision,
  reason text, detail text
)
language plpgsql
stable
rows 1
set search_path = pg_catalog, pg_temp
as $$
declare
  member text;
  number numeric;
  numbers double precision[] := '{}';
begin
  if jsonb_typeof(pushed) <> 'object' then
    reason := 'malformed';
    detail := 'a tick is an object, and this is of type ' || jsonb_typeof(pushed);
    return next;
    return;
  end if;
  select min(m.name) into member from jsonb_object_keys(pushed) as m(name)
  where m.name not in ('symbol', 'observed_at', 'seq', 'bid', 'ask', 'last', 'size');
  if member is not null then
    reason := 'malformed';
    detail := format('a tick has no member %s, but symbol, observed_at, seq, bid, ask, last and size', to_jsonb(left(member, 80)));
    return next;
    return;
  end if;

  symbol := pushed ->> 'symbol';
  if jsonb_typeof(pushed -> 'symbol') not in ('string', 'null') then
    reason := 'malformed';
    detail := 'symbol is of type ' || jsonb_typeof(pushed -> 'symbol');
    return next;
    return;
  end if;
  observed_at := feed.utc_time(case when jsonb_typeof(pushed -> 'observed_at') = 'string' then pushed ->> 'observed_at' end);
  if observed_at is null then
    reason := 'time_malformed';
    detail := format('observed_at %s is not a time with its zone such as 2026-01-31T23:59:59.123456Z', coalesce(left((pushed -> 'observed_at')::text, 80), 'is absent and so'));
    return next;
    return;
  end if;
  foreach member in array '{seq,bid,ask,last,size}'::text[] loop
    number := feed.exact_number(pushed -> member);
    if number is null and pushed ->> member is not null then
      reason := 'number_malformed';
      detail := format('%s %s is not a number', member, left((pushed -> member)::text, 80));
    elsif member <> 'seq' then
      numbers := numbers || case
        when number > 1e300 then 1e300
        when number < -1e300 then -1e300
        when abs(number) < 5e-324 then 0
        else number
      end::double precision;
    elsif number <> trunc(number) or number not between 0 and 9223372036854775807 then
      reason := 'seq_out_of_range';
      detail := format('seq %s is not a whole number from 0 to 9223372036854775807', left((pushed -> member)::text, 80));
    else
      seq := number;
    end if;
    if reason is not null then
      return next;
      return;
    end if;
  end loop;
  bid := numbers[1];
  ask := numbers[2];
  last := numbers[3];
  size := numbers[4];
  return next;
end
$$;

comment on function feed.read_pushed_tick(jsonb) is
  'An element of the list that feed.push_ticks is given, as the columns of a tick (observed_at in UTC), or why it cannot be one: a reason of feed.rejection_reasons and a sentence; both are null otherwise.';
