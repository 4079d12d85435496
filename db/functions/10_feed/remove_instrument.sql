-- First the schemas above forget it, by their triggers on feed.removals, which may refuse. Then it goes, and at once
-- nobody finds any of its ticks and candles, since all reads begin at feed.instruments. Last these go, in steps: the
-- ticks, then the candles from the finest timeframe up, so that no refresh makes a candle again from what is still there.
create or replace procedure feed.remove_instrument(symbol text)
language plpgsql
as $$
declare
  removed_id int;
  level text;
begin
  -- One that was interrupted goes on, also when somebody has added the symbol again since.
  select r.instrument_id into removed_id from feed.removals as r where r.symbol = remove_instrument.symbol;
  if removed_id is null then
    removed_id := feed.instrument_id(remove_instrument.symbol);
    if (select i.is_active from feed.instruments as i where i.instrument_id = removed_id for update) then
      raise exception 'the instrument % is active: its prices come in', remove_instrument.symbol
        using errcode = 'INUSE',
          hint = format('Hide it first: update feed.instruments set is_active = false where symbol = %L;', remove_instrument.symbol);
    end if;
    insert into feed.removals (instrument_id, symbol) values (removed_id, remove_instrument.symbol);
    commit;
  end if;

  if exists (select from feed.instruments as i where i.instrument_id = removed_id) then
    -- Whoever began to insert ticks of it is done when we have this lock, and who comes later finds no instrument.
    perform set_config('lock_timeout', '3s', true);
    lock table feed.ticks in share mode;
    delete from feed.coverage as c where c.instrument_id = removed_id;
    delete from feed.gaps as g where g.instrument_id = removed_id;
    delete from feed.rejected_ticks as r where r.symbol = remove_instrument.symbol;
    delete from feed.replays as r where r.symbol = remove_instrument.symbol;
    delete from feed.instruments as i where i.instrument_id = removed_id;
    commit;
  end if;

  for level in
    select s.level from feed.storage as s left join feed.timeframes as t using (timeframe)
    where s.timeframe is not null or s.level = 'ticks'
    order by s.level <> 'ticks', t.width
  loop
    call feed.forget_level(level, removed_id);
  end loop;
  delete from feed.tick_ends as e where e.instrument_id = removed_id;
  delete from feed.removals as r where r.instrument_id = removed_id;
  commit;
end
$$;

comment on procedure feed.remove_instrument(text) is
  'Remove an instrument with everything of it: ticks, candles, coverage, gaps, replays, what was refused of it, what was captured and is not sent, its indicators with their values and verdicts. It cannot be undone. It must be inactive. A statement of its own, by the owner; interrupted, it goes on when it is called again. Errors: NOINS, INUSE it is active, or all that a subscription is about; 55P03 somebody inserts ticks for long: try again later.';
