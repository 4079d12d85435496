create or replace procedure feed.compress_level(level text, before_time timestamptz)
language plpgsql
as $$
begin
  -- Nothing to do: plain PostgreSQL has no columnstore.
end
$$;

comment on procedure feed.compress_level(text, timestamptz) is
  'Compress the ticks or the candles of a timeframe that are older than a time. Plain PostgreSQL: nothing.';
