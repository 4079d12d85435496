-- One place for what a candle is made of, for those who write statements from it.
create or replace function feed.candle_measures(
  built_from text, is_sorted boolean default false, out columns text, out measures text
)
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
declare
  side text;
begin
  columns := 'tick_count, volume, reconstructed_count';
  measures := case when built_from is null
    then 'count(*), sum(s.size), count(*) filter (where s.origin = ''reconstructed'')'
    else 'sum(s.tick_count)::bigint, sum(s.volume), sum(s.reconstructed_count)::bigint' end;
  foreach side in array array['bid', 'ask', 'mid', 'last'] loop
    columns := columns || replace(
      ', SIDE_open, SIDE_high, SIDE_low, SIDE_close, SIDE_sum, SIDE_count', 'SIDE', side);
    measures := measures || case
      -- Sorting each group for each price takes longer than all the rest.
      when is_sorted and built_from is null then replace(
        ', (array_agg(s.SIDE) filter (where s.SIDE is not null))[1],
           max(s.SIDE), min(s.SIDE),
           (array_agg(s.SIDE) filter (where s.SIDE is not null))[count(s.SIDE)],
           sum(s.SIDE), count(s.SIDE)', 'SIDE', side)
      when is_sorted then replace(
        ', (array_agg(s.SIDE_open) filter (where s.SIDE_count > 0))[1],
           max(s.SIDE_high), min(s.SIDE_low),
           (array_agg(s.SIDE_close) filter (where s.SIDE_count > 0))[count(*) filter (where s.SIDE_count > 0)],
           sum(s.SIDE_sum), sum(s.SIDE_count)::bigint', 'SIDE', side)
      when built_from is null then replace(
        ', (array_agg(s.SIDE order by s.observed_at, s.seq) filter (where s.SIDE is not null))[1],
           max(s.SIDE), min(s.SIDE),
           (array_agg(s.SIDE order by s.observed_at desc, s.seq desc) filter (where s.SIDE is not null))[1],
           sum(s.SIDE), count(s.SIDE)', 'SIDE', side)
      else replace(
        ', (array_agg(s.SIDE_open order by s.bucket) filter (where s.SIDE_count > 0))[1],
           max(s.SIDE_high), min(s.SIDE_low),
           (array_agg(s.SIDE_close order by s.bucket desc) filter (where s.SIDE_count > 0))[1],
           sum(s.SIDE_sum), sum(s.SIDE_count)::bigint', 'SIDE', side) end;
  end loop;
end
$$;

comment on function feed.candle_measures(text, boolean) is
  'The columns of a candle beside instrument and bucket, and the aggregates that give them, of a relation s: the candles of the timeframe built_from, or the ticks (with mid) when it is null. is_sorted: s comes in the order of time. Pieces of SQL.';
