create or replace procedure feed.advance_candles(lag interval default interval '1 second')
language plpgsql
as $$
begin
  -- Nothing to do: the candles of plain PostgreSQL are stored with the ticks.
end
$$;

comment on procedure feed.advance_candles(interval) is
  'Store the candles that ended before now minus lag. Plain PostgreSQL: they are stored already.';
