-- SQL asks nobody over HTTP, and only the ingest process has the tokens and the network of the later polls: so it makes
-- the trial, at once, and writes down what came of it.
create or replace function feed.add_polled_source(
  source text,
  url text,
  poll_every interval,
  time_format text,
  symbols jsonb default '{}',
  items_path text default null,
  symbol_path text default null,
  time_path text default null,
  bid_path text default null,
  ask_path text default null,
  last_path text default null,
  size_path text default null,
  id_path text default null,
  ids_are_consecutive boolean default false,
  headers jsonb default '{}',
  description text default 'Polled over HTTP',
  calendar text default null
)
returns text
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  told text;
begin
  if exists (select from feed.sources as s where s.source = add_polled_source.source)
    and not exists (select from feed.polled_sources as p where p.source = add_polled_source.source)
  then
    raise exception 'the source % is there already, and is not polled', add_polled_source.source
      using errcode = 'POLLD', hint = 'Choose another name.';
  end if;
  if calendar is not null and not exists (select from feed.calendars as c where c.calendar = add_polled_source.calendar) then
    raise exception 'there is no calendar %', quote_literal(left(calendar, 80))
      using errcode = 'NOCAL',
        hint = (select 'There are ' || string_agg(c.calendar, ', ' order by c.calendar) from feed.calendars as c);
  end if;
  if jsonb_typeof(symbols) = 'object' then
    select format('%s is %s', e.key, e.value) into told from jsonb_each(symbols) as e
    where jsonb_typeof(e.value) <> 'string' or length(e.value #>> '{}') not between 1 and 200
    limit 1;
    if told is not null then
      raise exception 'symbols name the provider''s symbol of each of ours, and %', left(told, 200)
        using errcode = 'POLLD', hint = 'Such as {"BTC-USD.DESK": "bitcoin"}.';
    end if;
  end if;
  if jsonb_typeof(headers) = 'object' then
    select e.key into told from jsonb_each(headers) as e
    where e.key !~ '^[A-Za-z0-9-]{1,100}$'
      or e.key ~* '^(host|connection|content-.*|transfer-encoding|te|upgrade|expect|proxy-.*|if-none-match|accept-encoding)$'
      or jsonb_typeof(e.value) <> 'string'
      or e.value #>> '{}' !~ '^[ -~]*$' or length(e.value #>> '{}') > 2000
    limit 1;
    if told is not null then
      raise exception 'the header % cannot be sent', quote_literal(left(told, 80))
        using errcode = 'POLLD', hint = 'A header has a name of letters, digits and -, is none of the connection''s own, and its value is a text of ASCII.';
    end if;
    select r.name into told
    from jsonb_each_text(headers) as e, regexp_matches(e.value, '\{([^}]*)\}', 'g') as m(found), unnest(m.found) as r(name)
    where r.name !~ '^POLLED_TOKEN_[A-Z0-9_]{1,50}$'
    limit 1;
    if told is not null then
      raise exception 'a header asks for the variable %', quote_literal(left(told, 80))
        using errcode = 'POLLD', hint = 'Only those that begin with POLLED_TOKEN_ are read, so that no other secret of the process is sent away.';
    end if;
  end if;

  perform feed.register_source(add_polled_source.source, false, add_polled_source.description);
  insert into feed.polled_sources as p (source, url, poll_every, time_format, symbols, items_path, symbol_path, time_path,
    bid_path, ask_path, last_path, size_path, id_path, ids_are_consecutive, headers, calendar)
  values (add_polled_source.source, add_polled_source.url, add_polled_source.poll_every, add_polled_source.time_format,
    add_polled_source.symbols, add_polled_source.items_path, add_polled_source.symbol_path, add_polled_source.time_path,
    add_polled_source.bid_path, add_polled_source.ask_path, add_polled_source.last_path, add_polled_source.size_path,
    add_polled_source.id_path, add_polled_source.ids_are_consecutive, add_polled_source.headers, add_polled_source.calendar)
  on conflict on constraint polled_sources_pkey do update set
    url = excluded.url, poll_every = excluded.poll_every, time_format = excluded.time_format, symbols = excluded.symbols,
    items_path = excluded.items_path, symbol_path = excluded.symbol_path, time_path = excluded.time_path,
    bid_path = excluded.bid_path, ask_path = excluded.ask_path, last_path = excluded.last_path,
    size_path = excluded.size_path, id_path = excluded.id_path, ids_are_consecutive = excluded.ids_are_consecutive,
    headers = excluded.headers, calendar = excluded.calendar, status = 'untried', outcome = null, told_at = now();
  perform feed.add_instrument(k.symbol, add_polled_source.source, calendar => add_polled_source.calendar)
  from jsonb_object_keys(add_polled_source.symbols) as k(symbol);
  return format('untried: npm run start:ingest -- --source polled:%s tries it, and then select status, outcome from feed.polled_sources has what came of it', add_polled_source.source);
end
$$;

comment on function feed.add_polled_source(text, text, interval, text, jsonb, text, text, text, text, text, text, text, text, boolean, jsonb, text, text) is
  'Describe a source that is asked over HTTP and answers with JSON, or describe it anew; the columns of feed.polled_sources say what each argument means. Instruments are made of the symbols; feed.add_instrument adds others. Its ingest process (--source polled:NAME) tries it at once, when it starts and when the row changes, and writes the outcome, which ops.status tells. Returns what to do next. A polled source says nothing of the times between its answers: only consecutive ids prove that nothing was missed. Errors: POLLD a source that is there and is not polled, a header or a symbol that cannot be; NOCAL no such calendar; SRCIN a symbol belongs to another source; 23514 a symbol or an argument that is not allowed.';
