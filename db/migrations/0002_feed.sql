-- Sources, instruments, timeframes and ticks. Candles are made by the engine (db/engine).

create table feed.sources (
  source text primary key constraint source_is_a_short_code check (source ~ '^[a-z][a-z0-9_]{0,31}$'),
  is_simulated boolean not null default false,
  grace interval not null default interval '1 second'
    constraint grace_is_from_zero_to_one_hour check (grace between interval '0' and interval '1 hour'),
  is_repairable boolean not null default false,
  is_pushed boolean not null default false,
  description text not null default ''
);
comment on table feed.sources is 'Who sends prices: a row is written by feed.register_source when a source is started. Simulated prices carry that label to the screen.';
comment on column feed.sources.grace is 'How long after its end a candle stays forming, for ticks that are on their way.';
comment on column feed.sources.is_repairable is 'Its process asks the provider for what was missed.';
comment on column feed.sources.is_pushed is 'Its ticks come by feed.push_ticks; no process of ours speaks for it.';

insert into feed.sources (source, is_pushed, description) values ('manual', true, 'Ticks that people or programs insert themselves');

create table feed.source_states (
  source text primary key references feed.sources,
  state text not null default 'disconnected' check (state in ('connected', 'disconnected', 'stopped')),
  reason text,
  changed_at timestamptz not null default now(),
  begun_at timestamptz not null default now(),
  alone_until timestamptz,
  alive_at timestamptz,
  stored_count bigint not null default 0,
  duplicate_count bigint not null default 0,
  conflicting_count bigint not null default 0,
  rejected_count bigint not null default 0
) with (fillfactor = 50);
comment on table feed.source_states is 'Is the source connected, when was it last alive, and what became of every tick it sent: the four counts add up to what was received; feed.rejections has the last two by reason.';
comment on column feed.source_states.begun_at is 'When its process spoke first after it had been stopped (UTC).';
comment on column feed.source_states.alone_until is 'Its provider asked to be left alone until then (UTC): a process that is started anew waits too. Set it to null before, to try at once.';

-- When what is traded, on the market's own clock: rows for an operator to edit.
create table feed.calendars (
  calendar text primary key constraint calendar_is_a_short_code check (calendar ~ '^[a-z][a-z0-9_]{0,31}$'),
  zone text not null
    -- Refuses what is no zone, with PostgreSQL's own words.
    constraint zone_is_known check (timestamptz '2026-01-01Z' at time zone zone is not null),
  quiet_after interval constraint quiet_after_is_at_least_a_minute check (quiet_after >= interval '1 minute'),
  description text not null default ''
);
comment on table feed.calendars is 'Markets by their hours. One without a row in feed.sessions is always open. INSERT, UPDATE and DELETE as you like: feed.is_open and all that asks it follow at once.';
comment on column feed.calendars.zone is 'Of its clock, as pg_timezone_names has it: where that is put forward or back, the hours go with it.';
comment on column feed.calendars.quiet_after is 'A source that tells of no price of this market for longer while it is open is a fault, however alive its connection is; null: never.';

create table feed.sessions (
  calendar text not null references feed.calendars on update cascade on delete cascade,
  opens_day smallint not null constraint opens_day_is_from_1_to_7 check (opens_day between 1 and 7),
  opens_at time not null,
  closes_day smallint not null constraint closes_day_is_from_1_to_7 check (closes_day between 1 and 7),
  closes_at time not null,
  primary key (calendar, opens_day, opens_at),
  constraint session_has_a_length check ((opens_day, opens_at) <> (closes_day, closes_at))
);
comment on table feed.sessions is 'When in each week a market is open, on its own clock: from the opening on, until before the closing, over the end of the week too.';
comment on column feed.sessions.opens_day is 'ISO: 1 is Monday, 7 Sunday.';

create table feed.closures (
  calendar text not null references feed.calendars on update cascade on delete cascade,
  closed_from timestamp not null,
  closed_to timestamp not null,
  reason text not null default '',
  primary key (calendar, closed_from),
  constraint closure_is_not_empty check (closed_to > closed_from)
);
comment on table feed.closures is 'Holidays and early closings: times of a market''s own clock in which it is closed though feed.sessions has it open.';

insert into feed.calendars (calendar, zone, quiet_after, description) values
  ('always', 'UTC', '10 minutes', 'Day and night, all year: crypto'),
  ('fx', 'America/New_York', '10 minutes', 'Currencies: from Sunday 17:00 to Friday 17:00 in New York'),
  ('cfd', 'America/New_York', null, 'Indices, commodities and bonds as CFDs: the week in which brokers have some of them; own breaks and holidays are not known, so that none is called quiet'),
  ('metals', 'America/New_York', '10 minutes', 'Gold, silver and others over the counter: as currencies, but closed from 17:00 to 18:00'),
  ('us_stocks', 'America/New_York', '10 minutes', 'New York Stock Exchange and Nasdaq, regular hours');
insert into feed.sessions (calendar, opens_day, opens_at, closes_day, closes_at) values
  ('fx', 7, '17:00', 5, '17:00'),
  ('cfd', 7, '17:00', 5, '17:00'),
  ('metals', 7, '18:00', 1, '17:00'), ('metals', 1, '18:00', 2, '17:00'), ('metals', 2, '18:00', 3, '17:00'),
  ('metals', 3, '18:00', 4, '17:00'), ('metals', 4, '18:00', 5, '17:00'),
  ('us_stocks', 1, '09:30', 1, '16:00'), ('us_stocks', 2, '09:30', 2, '16:00'), ('us_stocks', 3, '09:30', 3, '16:00'),
  ('us_stocks', 4, '09:30', 4, '16:00'), ('us_stocks', 5, '09:30', 5, '16:00');
-- Brokers differ by an hour or two around these; who is thought closed for too long is only told of later.
insert into feed.closures (calendar, closed_from, closed_to, reason)
select c.calendar, d.closed_from, d.closed_to, d.reason
from (values ('fx'), ('cfd'), ('metals')) as c(calendar), generate_series(2025, 2035) as y(year),
  lateral (values
    (make_timestamp(y.year, 12, 24, 17, 0, 0), make_timestamp(y.year, 12, 25, 18, 0, 0), 'Christmas'),
    (make_timestamp(y.year, 12, 31, 17, 0, 0), make_timestamp(y.year + 1, 1, 1, 18, 0, 0), 'New Year')) as d(closed_from, closed_to, reason);
-- As NYSE Group announced on 23 December 2025; looked up on 29 November 2026.
insert into feed.closures (calendar, closed_from, closed_to, reason)
select 'us_stocks', d.day, d.day + interval '1 day', d.reason
from (values
  (timestamp '2026-01-01', 'New Year'), ('2026-01-19', 'Martin Luther King, Jr. Day'), ('2026-02-16', 'Washington''s Birthday'),
  ('2026-04-03', 'Good Friday'), ('2026-05-25', 'Memorial Day'), ('2026-06-19', 'Juneteenth'), ('2026-07-03', 'Independence Day'),
  ('2026-09-07', 'Labor Day'), ('2026-11-26', 'Thanksgiving'), ('2026-12-25', 'Christmas'),
  ('2027-01-01', 'New Year'), ('2027-01-18', 'Martin Luther King, Jr. Day'), ('2027-02-15', 'Washington''s Birthday'),
  ('2027-03-26', 'Good Friday'), ('2027-05-31', 'Memorial Day'), ('2027-06-18', 'Juneteenth'), ('2027-07-05', 'Independence Day'),
  ('2027-09-06', 'Labor Day'), ('2027-11-25', 'Thanksgiving'), ('2027-12-24', 'Christmas'),
  ('2028-01-17', 'Martin Luther King, Jr. Day'), ('2028-02-21', 'Washington''s Birthday'), ('2028-04-14', 'Good Friday'),
  ('2028-05-29', 'Memorial Day'), ('2028-06-19', 'Juneteenth'), ('2028-07-04', 'Independence Day'),
  ('2028-09-04', 'Labor Day'), ('2028-11-23', 'Thanksgiving'), ('2028-12-25', 'Christmas')) as d(day, reason);
insert into feed.closures (calendar, closed_from, closed_to, reason)
select 'us_stocks', d.day + interval '13 hours', d.day + interval '1 day', 'early closing'
from (values
  (timestamp '2026-11-27'), ('2026-12-24'), ('2027-11-26'), ('2028-07-03'), ('2028-11-24')) as d(day);

create table feed.polled_sources (
  source text primary key references feed.sources,
  url text not null constraint url_is_of_http_and_names_no_user check (
    url ~ '^https?://[^/?#@[:space:][:cntrl:]]+([/?#][^[:space:][:cntrl:]]*)?$' and length(url) <= 2000),
  poll_every interval not null
    constraint poll_every_is_from_one_second_to_one_day check (poll_every between interval '1 second' and interval '1 day'),
  symbols jsonb not null default '{}' constraint symbols_are_an_object check (jsonb_typeof(symbols) = 'object'),
  headers jsonb not null default '{}' constraint headers_are_an_object check (jsonb_typeof(headers) = 'object'),
  time_format text not null
    constraint time_format_is_iso_s_ms_us_ns_or_received check (time_format in ('iso', 's', 'ms', 'us', 'ns', 'received')),
  items_path text constraint items_path_is_a_json_pointer check (items_path ~ '^(/([^~/]|~[01])*)*$'),
  symbol_path text constraint symbol_path_is_a_json_pointer check (symbol_path ~ '^(/([^~/]|~[01])*)*$'),
  time_path text constraint time_path_is_a_json_pointer check (time_path ~ '^(/([^~/]|~[01])*)*$'),
  bid_path text constraint bid_path_is_a_json_pointer check (bid_path ~ '^(/([^~/]|~[01])*)*$'),
  ask_path text constraint ask_path_is_a_json_pointer check (ask_path ~ '^(/([^~/]|~[01])*)*$'),
  last_path text constraint last_path_is_a_json_pointer check (last_path ~ '^(/([^~/]|~[01])*)*$'),
  size_path text constraint size_path_is_a_json_pointer check (size_path ~ '^(/([^~/]|~[01])*)*$'),
  id_path text constraint id_path_is_a_json_pointer check (id_path ~ '^(/([^~/]|~[01])*)*$'),
  ids_are_consecutive boolean not null default false,
  calendar text references feed.calendars on update cascade,
  status text not null default 'untried' constraint status_is_untried_works_or_faulty check (status in ('untried', 'works', 'faulty')),
  outcome text,
  told_at timestamptz not null default now(),
  constraint there_is_a_path_to_a_price check (coalesce(bid_path, ask_path, last_path) is not null),
  constraint size_is_of_a_trade_and_needs_last_path check (size_path is null or last_path is not null),
  constraint time_path_is_there_unless_the_time_is_that_of_reception check ((time_path is null) = (time_format = 'received')),
  constraint symbol_path_needs_items_path check (symbol_path is null or items_path is not null),
  constraint consecutive_ids_need_id_path_and_time_path check (not ids_are_consecutive or (id_path is not null and time_path is not null))
);
comment on table feed.polled_sources is 'Sources that are asked over HTTP again and again and answer with JSON: a row is written by feed.add_polled_source, or UPDATE it. The ingest process of the source reads it every two seconds, tries at once what is new in it, and writes what came of it.';
comment on column feed.polled_sources.url is 'What is asked (GET); {symbol} stands for the provider''s symbol, then each instrument is asked for alone. No secrets: it is told.';
comment on column feed.polled_sources.symbols is 'The provider''s symbols by ours; an instrument that is not in it is called the same there.';
comment on column feed.polled_sources.headers is 'Headers of the request by name. {POLLED_TOKEN_...} in a value stands for that variable of the environment of the ingest process.';
comment on column feed.polled_sources.time_format is 'How times are written: iso with a zone, s, ms, us or ns since 1970; received: the answer has none, and its ticks have the time at which it came.';
comment on column feed.polled_sources.items_path is 'JSON Pointer (RFC 6901) to the list of prices or trades in the answer; absent: the answer is one. {symbol} in a path stands for the provider''s symbol.';
comment on column feed.polled_sources.symbol_path is 'JSON Pointer in an item to the provider''s symbol; absent: the items are of the instrument that was asked for.';
comment on column feed.polled_sources.time_path is 'JSON Pointer in an item, as the others: where when it was observed stands.';
comment on column feed.polled_sources.id_path is 'To the id of a trade, a whole number.';
comment on column feed.polled_sources.ids_are_consecutive is 'The ids of an instrument''s trades grow by one: those that were skipped are gaps, and where none was the time is covered.';
comment on column feed.polled_sources.calendar is 'When its instruments are traded, of feed.calendars, unless feed.instruments says otherwise of one; null: not known, and taken as open.';
comment on column feed.polled_sources.status is 'untried: no process has asked yet; works: each instrument was understood; faulty: outcome says why not.';
comment on column feed.polled_sources.told_at is 'Since when (UTC) status and outcome are so.';

create table feed.instruments (
  instrument_id int generated always as identity primary key,
  symbol text not null unique
    constraint symbol_is_allowed check (symbol ~ '^[A-Z0-9][A-Z0-9._:-]{0,31}$'),
  source text not null references feed.sources,
  description text not null default ''
    -- Marks that turn the direction of text would let it show something else than it says.
    constraint description_is_printable check (
      description !~ U&'[[:cntrl:]\061C\200B-\200F\2028-\202E\2060-\206F\FEFF]' and length(description) <= 200),
  price_precision smallint not null default 5
    constraint price_precision_is_from_0_to_12 check (price_precision between 0 and 12),
  allows_negative boolean not null default false,
  calendar text references feed.calendars on update cascade,
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  shown_at timestamptz
);
comment on table feed.instruments is 'What is priced. A symbol belongs to one source, so simulated and real prices never share a history.';
comment on column feed.instruments.price_precision is 'Digits after the decimal point, for display only.';
comment on column feed.instruments.allows_negative is 'Prices of zero and below are prices, as of spreads, power, and oil in April 2020; else they are refused. What is stored stays whatever it says.';
comment on column feed.instruments.calendar is 'When it is traded: as its source told when it was added, or as you UPDATE it; null: not known, and taken as open.';
comment on column feed.instruments.is_active is 'Shown on the dashboard; an inactive instrument keeps its history.';
comment on column feed.instruments.shown_at is 'When it was active first (UTC); absent: never yet, as its source brings its history before.';

create table feed.removals (
  instrument_id int primary key,
  symbol text not null unique,
  requested_at timestamptz not null default clock_timestamp()
);
comment on table feed.removals is 'Instruments whose removal has begun: their ticks and candles go in steps. Written by feed.remove_instrument, which takes a row away when nothing is left.';

create table feed.timeframes (
  timeframe text primary key constraint timeframe_is_a_number_and_a_unit check (timeframe ~ '^[1-9][0-9]{0,3}[smhd]$'),
  width interval not null unique,
  built_from text references feed.timeframes,
  constraint width_divides_a_day check (
    width >= interval '1 second'
    and (86400 % extract(epoch from width)::bigint = 0)
  )
);
comment on table feed.timeframes is 'Widths of candles. Buckets are UTC, half-open, and labelled by their left edge.';
comment on column feed.timeframes.built_from is 'The finer timeframe whose candles this one is rolled up from; absent: the ticks.';

insert into feed.timeframes (timeframe, width, built_from) values
  ('1s', '1 second', null),
  ('1m', '1 minute', '1s'),
  ('5m', '5 minutes', '1m'),
  ('15m', '15 minutes', '5m'),
  ('1h', '1 hour', '15m'),
  ('4h', '4 hours', '1h'),
  ('1d', '1 day', '4h');

-- How long what is kept, and what was given up: an operator edits it, ops.apply_storage does what it says.
create table feed.storage (
  level text primary key,
  timeframe text unique references feed.timeframes on delete cascade,
  relation text not null unique,
  time_column text not null,
  compress_after interval constraint compress_after_is_at_least_a_day check (compress_after >= interval '1 day'),
  retain_for interval constraint retain_for_is_at_least_two_days check (retain_for >= interval '2 days'),
  floor_at timestamptz not null default '-infinity',
  dropped_to timestamptz not null default '-infinity'
    constraint only_what_is_below_the_floor_is_dropped check (dropped_to <= floor_at),
  constraint level_of_candles_is_their_timeframe check (level = coalesce(timeframe, level))
);
comment on table feed.storage is 'A row per level, which is a relation that grows with time: the ticks, the candles of a timeframe, and what other schemas keep: when it is compressed and how long it is kept. UPDATE compress_after and retain_for as you like; a CALL of ops.apply_storage(), or the next maintenance, does it.';
comment on column feed.storage.timeframe is 'Of candles; absent: the level is none of candles.';
comment on column feed.storage.time_column is 'By which it is old (UTC). The first column of its primary key says whose a row is.';
comment on column feed.storage.compress_after is 'TimescaleDB moves what is older into its columnstore; null: never. Late ticks are still taken in. Plain PostgreSQL has none.';
comment on column feed.storage.retain_for is 'What is older goes, in whole days (UTC); null: kept for ever. Ticks may go while their candles stay.';
comment on column feed.storage.floor_at is 'Older (UTC) was given up: ticks of then are refused. Never goes back.';
comment on column feed.storage.dropped_to is 'Older (UTC) may be gone: nothing is computed from it any more.';

insert into feed.storage (level, relation, time_column, compress_after)
values ('ticks', 'feed.ticks', 'observed_at', '7 days');

create type feed.tick_origin as enum ('heard', 'fetched', 'reconstructed');
comment on type feed.tick_origin is 'How we have a tick: heard, when it happened; fetched, later, from a record of it, the provider''s own or a file; reconstructed, from the provider''s finest candle, so its prices are the provider''s, while its moment is made up.';

create table feed.ticks (
  instrument_id int not null,
  -- Here it takes no room: observed_at begins at a multiple of eight bytes.
  origin feed.tick_origin not null default 'heard',
  observed_at timestamptz not null
    constraint observed_at_is_from_1970_to_2100 check (observed_at >= '1970-01-01Z' and observed_at < '2100-01-01Z'),
  seq bigint not null default 0
    constraint seq_is_an_id_or_a_place check (seq >= -1000000000),
  -- Beyond these the sums of a candle would overflow, and then nobody could read it. NaN is greater than any number in
  -- PostgreSQL, so they keep it out too. That a price is above zero, the trigger sees to, as not all have to be.
  bid double precision constraint bid_is_between_minus_1e15_and_1e15 check (bid > -1e15 and bid < 1e15),
  ask double precision constraint ask_is_between_minus_1e15_and_1e15 check (ask > -1e15 and ask < 1e15),
  last double precision constraint last_is_between_minus_1e15_and_1e15 check (last > -1e15 and last < 1e15),
  size double precision constraint size_is_from_0_to_below_1e18 check (size >= 0 and size < 1e18),
  received_at timestamptz not null default clock_timestamp()
    constraint received_at_is_from_1970_to_2100 check (received_at >= '1970-01-01Z' and received_at < '2100-01-01Z'),
  primary key (instrument_id, observed_at, seq),
  constraint tick_has_a_price check (coalesce(bid, ask, last) is not null)
);
comment on table feed.ticks is 'Observed prices, stored once and never changed. mid is (bid + ask) / 2; last and size are a trade''s.';
comment on column feed.ticks.origin is 'heard, fetched or reconstructed, see feed.tick_origin. Of a tick that came twice, that of the first time.';
comment on column feed.ticks.observed_at is 'The source''s clock, UTC, microseconds: buckets follow it.';
comment on column feed.ticks.seq is 'The source''s trade id or sequence, from 0 on: orders ticks of equal time. Below 0: the tick came without one, and this is its place among those of its time, in the order in which they came.';
comment on column feed.ticks.received_at is 'Our clock when the tick was stored.';

-- As feed.ticks it names instruments without a foreign key, which would be a query more for each row of each batch:
-- the trigger that writes both knows that they exist, and who removes one waits for it.
create table feed.tick_ends (
  instrument_id int not null,
  first_observed_at timestamptz not null,
  observed_at timestamptz not null,
  seq bigint not null,
  bid double precision,
  ask double precision,
  last double precision,
  size double precision,
  received_at timestamptz not null
) with (fillfactor = 50);
create index on feed.tick_ends (instrument_id);
comment on table feed.tick_ends is 'Behind feed.newest_ticks: per instrument a row, and one more for each writer that was not finished when another came. Written by the trigger of feed.ticks: who adds a newer tick puts it into the row; where another one that is not finished has it, or there are several, a row is added and those are taken away that it stands for, so that no writer waits for another.';

create table feed.rejections (
  source text not null,
  reason text not null,
  hour timestamptz not null,
  count bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  primary key (source, reason, hour)
) with (fillfactor = 50);
create index on feed.rejections (hour);
comment on table feed.rejections is 'How much of what came in was not stored, per source, reason (feed.rejection_reasons) and hour (UTC): all of it is counted here.';

create table feed.rejected_ticks (
  rejected_tick_id bigint generated always as identity primary key,
  source text not null,
  symbol text,
  reason text not null,
  detail text not null,
  raw text not null,
  rejected_at timestamptz not null default clock_timestamp()
);
create index on feed.rejected_ticks (rejected_at);
comment on table feed.rejected_ticks is 'What came in and was not stored, as it came, with the reason: bad input, or another price under a stored key (conflict). Of a flood only the first thousand of each reason per source and hour; feed.rejections counts them all.';

create table feed.coverage (
  instrument_id int not null references feed.instruments,
  grade text not null constraint coverage_has_a_grade check (grade in ('heard', 'exact', 'time_span', 'candles')),
  covered_from timestamptz not null,
  covered_to timestamptz not null,
  primary key (instrument_id, grade, covered_from),
  constraint coverage_is_not_empty check (covered_to >= covered_from)
) with (fillfactor = 70);
comment on table feed.coverage is 'Times (UTC, both ends included) of which we have what an instrument''s source had: no tick then means no price. What no row covers is a gap. Written by feed.extend_coverage.';
comment on column feed.coverage.grade is 'How we know: heard, when it happened; exact, fetched later and proven by ids; time_span, fetched for the whole time; candles, from the provider''s candles only.';

create table feed.gaps (
  gap_id bigint generated always as identity primary key,
  instrument_id int not null references feed.instruments,
  gap_from timestamptz not null,
  gap_to timestamptz not null,
  missing tstzmultirange not null,
  cause text not null,
  opened_at timestamptz not null default clock_timestamp(),
  tries int not null default 0,
  next_try_at timestamptz not null default clock_timestamp() + interval '5 seconds',
  last_fault text,
  closed_at timestamptz,
  grade text constraint gap_has_a_grade check (grade in ('heard', 'exact', 'time_span', 'candles', 'impossible')),
  constraint gap_is_not_empty check (gap_to > gap_from),
  constraint gap_is_closed_with_proof_or_given_up check (
    case when closed_at is null then not isempty(missing)
      else coalesce(grade = 'impossible' or isempty(missing) and grade is not null, false) end)
) with (fillfactor = 70);
create index on feed.gaps (instrument_id, gap_to) where not isempty(missing);
comment on table feed.gaps is 'The ledger of what we missed: when (UTC, between the two ends), why, and how it was closed.';
comment on column feed.gaps.missing is 'What of the gap is still to be proven; a repair takes it away from the newest end.';
comment on column feed.gaps.next_try_at is 'When the repair is tried (again), if the source has one; a running one moves it ahead of itself.';
comment on column feed.gaps.grade is 'The weakest of the proofs that filled it, see feed.coverage; impossible: nobody has it any more.';

create table feed.replays (
  fingerprint text not null,
  symbol text not null,
  file_name text not null,
  line bigint not null,
  is_finished boolean not null default false,
  updated_at timestamptz not null default now(),
  primary key (fingerprint, symbol)
) with (fillfactor = 50);
comment on table feed.replays is 'Files that were replayed, and up to which line: an interrupted replay goes on there.';
comment on column feed.replays.fingerprint is 'SHA-256 of the file''s size and its first 64 KB.';
