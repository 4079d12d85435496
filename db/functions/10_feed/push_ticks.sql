-- The ticks go where those of every source go, feed.record_ticks; only what cannot be read as a tick is counted here.
-- That comes first: the rows of its reasons are then locked before anything else, and in one order by everybody.
create or replace function feed.push_ticks(source text, ticks jsonb)
returns table (stored_count int, duplicate_count int, conflicting_count int, rejected_count int, first_fault text)
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  is_pushed boolean := (select s.is_pushed from feed.sources as s where s.source = push_ticks.source);
  -- Before feed.record_ticks looks at its clock: what is in the future for it is so for this one too.
  latest timestamptz := clock_timestamp() + interval '5 seconds';
  batch record;
  unread_count int;
begin
  if is_pushed is null then
    raise exception 'there is no source %', coalesce(quote_literal(left(push_ticks.source, 80)), 'null')
      using errcode = 'NOSRC', hint = 'The owner makes one: select feed.register_source(''desk'', false, ''What it is'', is_pushed => true);';
  end if;
  if not is_pushed then
    raise exception 'no ticks are pushed to the source %: a process of its own speaks for it', push_ticks.source
      using errcode = 'PUSHD', hint = (select 'They are to: ' || string_agg(s.source, ', ' order by s.source) from feed.sources as s where s.is_pushed);
  end if;
  if jsonb_typeof(ticks) is distinct from 'array' then
    raise exception 'ticks are a list of objects, and this is %', coalesce('of type ' || jsonb_typeof(ticks), 'null')
      using errcode = 'ARRAY', hint = 'Such as [{"symbol": "GOLD", "observed_at": "2026-01-31T23:59:59.123456Z", "bid": 4000.1, "ask": 4000.3}].';
  end if;
  if jsonb_array_length(ticks) > 10000 then
    raise exception 'at most 10,000 ticks are pushed at once, and these are %', jsonb_array_length(ticks)
      using errcode = 'ARRAY', hint = 'Push them in parts.';
  end if;

  select
    coalesce(array_agg(p.place) filter (where p.reason is null), '{}') as places,
    coalesce(array_agg(p.symbol) filter (where p.reason is null), '{}') as symbols,
    coalesce(array_agg(p.observed_at) filter (where p.reason is null), '{}') as observed_ats,
    coalesce(array_agg(p.seq) filter (where p.reason is null), '{}') as seqs,
    coalesce(array_agg(p.bid) filter (where p.reason is null), '{}') as bids,
    coalesce(array_agg(p.ask) filter (where p.reason is null), '{}') as asks,
    coalesce(array_agg(p.last) filter (where p.reason is null), '{}') as lasts,
    coalesce(array_agg(p.size) filter (where p.reason is null), '{}') as sizes,
    array_agg(p.place) filter (where p.reason is not null) as unread_places,
    array_agg(p.symbol) filter (where p.reason is not null) as unread_symbols,
    array_agg(p.reason) filter (where p.reason is not null) as unread_reasons,
    array_agg(p.detail) filter (where p.reason is not null) as unread_details,
    array_agg(left(p.pushed::text, 1000)) filter (where p.reason is not null) as unread_raws
  into batch
  from (
    select e.place, e.pushed, r.*
    from jsonb_array_elements(ticks) with ordinality as e(pushed, place)
    cross join lateral feed.read_pushed_tick(e.pushed) as r
    order by e.place
  ) as p;
  unread_count := feed.keep_rejections(push_ticks.source,
    batch.unread_symbols, batch.unread_reasons, batch.unread_details, batch.unread_raws);

  select r.* into stored_count, duplicate_count, conflicting_count, rejected_count
  from feed.record_ticks(push_ticks.source, batch.symbols, batch.observed_ats, batch.seqs,
    batch.bids, batch.asks, batch.lasts, batch.sizes) as r;

  if rejected_count + unread_count > 0 then
    select format('tick %s: %s, %s', f.place, f.reason, f.detail) into first_fault
    from (
      select t.place, v.reason, v.detail
      from unnest(batch.places, batch.symbols, batch.observed_ats, batch.seqs, batch.bids, batch.asks, batch.lasts, batch.sizes)
        as t(place, symbol, observed_at, seq, bid, ask, last, size)
      left join feed.instruments as i on i.symbol = t.symbol
      cross join lateral feed.tick_fault(push_ticks.source, t.symbol, i.source, i.allows_negative, t.observed_at, t.seq,
        t.bid, t.ask, t.last, t.size, latest, feed.retention_floor()) as v
      where rejected_count > 0 and v.reason is not null
      union all
      select u.place, u.reason, u.detail
      from unnest(batch.unread_places, batch.unread_reasons, batch.unread_details) as u(place, reason, detail)
    ) as f
    order by f.place limit 1;
  end if;
  if unread_count > 0 then
    update feed.source_states as s set rejected_count = s.rejected_count + unread_count where s.source = push_ticks.source;
    rejected_count := rejected_count + unread_count;
  end if;
  return next;
end
$$;

comment on function feed.push_ticks(text, jsonb) is
  'Store ticks of a source that has no process of its own (feed.sources.is_pushed). ticks: a JSON list of at most 10,000 objects: symbol (an instrument of the source), observed_at (when it was observed, ISO 8601 with its zone, microseconds; at most 5 seconds ahead of the database''s clock), at least one of bid, ask and last (a trade''s price), size (of the trade), in the units of the instrument, and seq (the id of the tick, a whole number from 0 to 2^63 - 1, orders ticks of equal time); absent ones and null were not sent. Numbers are JSON numbers or texts of such, taken as they are written. Pushing again stores nothing again: with a seq a tick is the same if instrument, time and seq are, without one if time and content are (the n-th copy of it in the list). Returns how many were stored, duplicate, conflicting (another price or size under the same seq) and rejected; the four add up to the list. The last two are kept in feed.rejected_ticks with their reason and counted in feed.rejections, and first_fault names the first that was rejected by its place in the list, from 1 on. Nobody can prove that nothing was missed between two pushes: a pushed source has no coverage and no gaps, so a time without ticks is never said to be quiet. A publisher looks every two seconds; outbox.nudge() after the commit makes it look now. Errors: NOSRC no such source, PUSHD the source has a process of its own, ARRAY no list or too long a one; nothing is stored then.';
grant execute on function feed.push_ticks(text, jsonb) to foresight_push;
