create or replace function feed.add_instrument(
  symbol text,
  source text default 'manual',
  description text default null,
  price_precision int default null,
  is_active boolean default true,
  allows_negative boolean default null,
  changes_existing boolean default true,
  calendar text default null
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  existing feed.instruments;
begin
  if add_instrument.symbol is null or add_instrument.symbol !~ '^[A-Z0-9][A-Z0-9._:-]{0,31}$' then
    raise exception 'the symbol % is not allowed', coalesce(quote_literal(left(add_instrument.symbol, 80)), 'null')
      using errcode = '23514', hint = 'Capital letters, digits and . _ : - are, at most 32 of them.';
  end if;
  if not exists (select from feed.sources as s where s.source = add_instrument.source) then
    raise exception 'there is no source %', quote_literal(left(add_instrument.source, 80))
      using errcode = 'NOSRC',
        hint = (select 'Its process makes it known when it is started first; known are ' || string_agg(s.source, ', ' order by s.source) from feed.sources as s);
  end if;
  if add_instrument.calendar is not null and not exists (select from feed.calendars as c where c.calendar = add_instrument.calendar) then
    if changes_existing then
      raise exception 'there is no calendar %', quote_literal(left(add_instrument.calendar, 80))
        using errcode = 'NOCAL',
          hint = (select 'There are ' || string_agg(c.calendar, ', ' order by c.calendar) from feed.calendars as c);
    end if;
    -- An operator may have renamed it or taken it away: no reason for a process not to start.
    add_instrument.calendar := null;
  end if;
  insert into feed.instruments as i (symbol, source, description, price_precision, is_active, allows_negative, calendar)
  values (add_instrument.symbol, add_instrument.source, coalesce(add_instrument.description, ''),
    coalesce(add_instrument.price_precision, 5), add_instrument.is_active, coalesce(add_instrument.allows_negative, false), add_instrument.calendar)
  on conflict on constraint instruments_symbol_key do update set
    is_active = excluded.is_active or i.shown_at is not null,
    description = case when changes_existing then coalesce(add_instrument.description, i.description) else i.description end,
    price_precision = case when changes_existing then coalesce(add_instrument.price_precision, i.price_precision) else i.price_precision end,
    allows_negative = case when changes_existing then coalesce(add_instrument.allows_negative, i.allows_negative) else i.allows_negative end,
    -- Nobody may have known it before.
    calendar = case when changes_existing then coalesce(excluded.calendar, i.calendar) else coalesce(i.calendar, excluded.calendar) end
    where i.source = excluded.source
  returning * into existing;
  if existing.instrument_id is null then
    select * into existing from feed.instruments as i where i.symbol = add_instrument.symbol;
    raise exception 'the symbol % belongs to the source %', add_instrument.symbol, existing.source
      using errcode = 'SRCIN', hint = 'Prices of two sources never share a history: choose another symbol.';
  end if;
  return existing.instrument_id;
end
$$;

comment on function feed.add_instrument(text, text, text, int, boolean, boolean, boolean, text) is
  'Add an instrument and return its id; one that is there already is made active again, and what is said of it is changed; processes say changes_existing false, so that nothing an operator said is undone. is_active false: one that was never shown is not shown until feed.show_instruments, so that its history can come before its indicators. While its source''s process runs, it is followed within seconds. symbol: capital letters, digits and . _ : -, at most 32. description: printable, at most 200 characters. price_precision: digits shown after the decimal point, 0 to 12, of a new one 5 when absent. allows_negative: prices of zero and below are prices, of a new one false when absent. calendar: of feed.calendars, when it is traded; one that is not there is not known to a process. Errors: NOSRC no such source, NOCAL no such calendar, SRCIN the symbol belongs to another source, 23514 a symbol, description or precision that is not allowed.';
grant execute on function feed.add_instrument(text, text, text, int, boolean, boolean, boolean, text) to foresight_ingest;
