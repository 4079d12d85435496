create or replace function rating.side_of(symbol text, timeframe text, side text)
returns text
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  rated_instrument_id int := feed.instrument_id(side_of.symbol);
  rated_side text;
begin
  perform feed.timeframe_width(side_of.timeframe);
  select s.side into rated_side
  from rating.series as s
  where s.instrument_id = rated_instrument_id and s.timeframe = side_of.timeframe
    and s.side = coalesce(side_of.side, s.side)
  order by array_position(array['mid', 'last', 'bid', 'ask'], s.side)
  limit 1;
  if rated_side is null then
    raise exception 'there is no rating of %', concat_ws(' ', side_of.symbol, side_of.timeframe, left(side_of.side, 80))
      using errcode = 'NORAT', hint = format('Add it: select indicator.add_set(%L, %L, ''rating'');', side_of.symbol, side_of.timeframe);
  end if;
  return rated_side;
end
$$;

comment on function rating.side_of(text, text, text) is
  'The side of which there is a rating, or the one of these that is given. Errors: NOINS, NOTFR, NORAT there is none.';
