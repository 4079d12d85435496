-- Every object of ours, in the words of the catalogue: what the migrations, the functions and the views amount to.
-- Written by npm run db:schema, compared by a test, never run. A line that ends with [postgres] or [timescaledb] is of
-- that engine alone. Of a function: the first sentence of its comment, its arguments and its result.

-- Prices in, candles out: instruments, ticks, candles, coverage.
create schema feed;
grant usage on schema feed to foresight_indicators, foresight_ingest, foresight_publish, foresight_push, foresight_upkeep;

-- How we have a tick: heard, when it happened; fetched, later, from a record of it, the provider's own or a file; reconstructed, from the provider's finest candle, so its prices are the provider's, while its moment is made up.
create type feed.tick_origin as enum ('heard', 'fetched', 'reconstructed');

-- Markets by their hours. One without a row in feed.sessions is always open. INSERT, UPDATE and DELETE as you like: feed.is_open and all that asks it follow at once.
create table feed.calendars (
  calendar text not null,
  -- Of its clock, as pg_timezone_names has it: where that is put forward or back, the hours go with it.
  zone text not null,
  -- A source that tells of no price of this market for longer while it is open is a fault, however alive its connection is; null: never.
  quiet_after interval,
  description text not null default '',
  constraint calendars_pkey primary key (calendar),
  constraint calendar_is_a_short_code check (calendar ~ '^[a-z][a-z0-9_]{0,31}$'),
  constraint quiet_after_is_at_least_a_minute check (quiet_after >= '00:01:00'::interval),
  constraint zone_is_known check (('2026-01-01 00:00:00+00'::timestamptz at time zone zone) is not null)
);

-- [postgres]
-- For each timeframe: 1s, 1m, 5m, 15m, 1h, 4h, 1d.
-- Candles of <width> (kept by feed.roll_up): a row per instrument and UTC bucket that has ticks; bucket is the left edge.
create table feed.candles_<timeframe> (
  instrument_id int not null,
  bucket timestamptz not null,
  tick_count bigint not null,
  volume double precision,
  reconstructed_count bigint not null,
  bid_open double precision,
  bid_high double precision,
  bid_low double precision,
  bid_close double precision,
  bid_sum double precision,
  bid_count bigint not null,
  ask_open double precision,
  ask_high double precision,
  ask_low double precision,
  ask_close double precision,
  ask_sum double precision,
  ask_count bigint not null,
  mid_open double precision,
  mid_high double precision,
  mid_low double precision,
  mid_close double precision,
  mid_sum double precision,
  mid_count bigint not null,
  last_open double precision,
  last_high double precision,
  last_low double precision,
  last_close double precision,
  last_sum double precision,
  last_count bigint not null,
  constraint candles_<timeframe>_pkey primary key (instrument_id, bucket)
) with (fillfactor=70);

-- [timescaledb]
-- For each timeframe: 1s, 1m, 5m, 15m, 1h, 4h, 1d.
-- Candles of <width>: a row per instrument and UTC bucket that has ticks; bucket is the left edge.
create view feed.candles_<timeframe> (
  instrument_id int,
  bucket timestamptz,
  tick_count bigint,
  volume double precision,
  reconstructed_count bigint,
  bid_open double precision,
  bid_high double precision,
  bid_low double precision,
  bid_close double precision,
  bid_sum double precision,
  bid_count bigint,
  ask_open double precision,
  ask_high double precision,
  ask_low double precision,
  ask_close double precision,
  ask_sum double precision,
  ask_count bigint,
  mid_open double precision,
  mid_high double precision,
  mid_low double precision,
  mid_close double precision,
  mid_sum double precision,
  mid_count bigint,
  last_open double precision,
  last_high double precision,
  last_low double precision,
  last_close double precision,
  last_sum double precision,
  last_count bigint
);

-- Holidays and early closings: times of a market's own clock in which it is closed though feed.sessions has it open.
create table feed.closures (
  calendar text not null,
  closed_from timestamp without time zone not null,
  closed_to timestamp without time zone not null,
  reason text not null default '',
  constraint closures_pkey primary key (calendar, closed_from),
  constraint closures_calendar_fkey foreign key (calendar) references feed.calendars(calendar) on update cascade on delete cascade,
  constraint closure_is_not_empty check (closed_to > closed_from)
);

-- Times (UTC, both ends included) of which we have what an instrument's source had: no tick then means no price. What no row covers is a gap. Written by feed.extend_coverage.
create table feed.coverage (
  instrument_id int not null,
  -- How we know: heard, when it happened; exact, fetched later and proven by ids; time_span, fetched for the whole time; candles, from the provider's candles only.
  grade text not null,
  covered_from timestamptz not null,
  covered_to timestamptz not null,
  constraint coverage_pkey primary key (instrument_id, grade, covered_from),
  constraint coverage_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id),
  constraint coverage_has_a_grade check (grade = any (array['heard', 'exact', 'time_span', 'candles'])),
  constraint coverage_is_not_empty check (covered_to >= covered_from)
) with (fillfactor=70);

-- One row: how long what may last before a faults view of any schema tells it. Change it here and nowhere else.
create view feed.fault_limits (
  -- A process or a source that gave no sign of life for longer is down.
  silence interval,
  -- What waits longer to be captured, closed, sent or computed is stuck.
  wait interval,
  -- Ticks of the future that were refused within this time count.
  refusals interval,
  -- Unless a tick of the same source was stored within this time.
  acceptance interval,
  -- Candles stored further ahead than this lie in the future.
  clock_error interval,
  -- A host's clock that is further from the database's is wrong: its ticks are refused, or late.
  clock_skew interval,
  -- What takes longer to be removed was interrupted.
  removal interval,
  -- What was lost on its way and found again within this time is told.
  loss interval
);

-- What is wrong with sources and candles, in words, and since when (UTC; null: not known).
create view feed.faults (
  fault text,
  since timestamptz
);

-- The ledger of what we missed: when (UTC, between the two ends), why, and how it was closed.
create table feed.gaps (
  gap_id bigint not null generated always as identity,
  instrument_id int not null,
  gap_from timestamptz not null,
  gap_to timestamptz not null,
  -- What of the gap is still to be proven; a repair takes it away from the newest end.
  missing tstzmultirange not null,
  cause text not null,
  opened_at timestamptz not null default clock_timestamp(),
  tries int not null default 0,
  -- When the repair is tried (again), if the source has one; a running one moves it ahead of itself.
  next_try_at timestamptz not null default clock_timestamp() + '00:00:05'::interval,
  last_fault text,
  closed_at timestamptz,
  -- The weakest of the proofs that filled it, see feed.coverage; impossible: nobody has it any more.
  grade text,
  constraint gaps_pkey primary key (gap_id),
  constraint gaps_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id),
  constraint gap_has_a_grade check (grade = any (array['heard', 'exact', 'time_span', 'candles', 'impossible'])),
  constraint gap_is_closed_with_proof_or_given_up
    check (
case
    when closed_at is null then not isempty(missing)
    else coalesce(grade = 'impossible'
    or isempty(missing) and grade is not null, false)
end),
  constraint gap_is_not_empty check (gap_to > gap_from)
) with (fillfactor=70);
create index gaps_instrument_id_gap_to_idx on feed.gaps (instrument_id, gap_to) where (not isempty(missing));

-- What is priced. A symbol belongs to one source, so simulated and real prices never share a history.
create table feed.instruments (
  instrument_id int not null generated always as identity,
  symbol text not null,
  source text not null,
  description text not null default '',
  -- Digits after the decimal point, for display only.
  price_precision smallint not null default 5,
  -- Prices of zero and below are prices, as of spreads, power, and oil in April 2020; else they are refused. What is stored stays whatever it says.
  allows_negative boolean not null default false,
  -- When it is traded: as its source told when it was added, or as you UPDATE it; null: not known, and taken as open.
  calendar text,
  -- Shown on the dashboard; an inactive instrument keeps its history.
  is_active boolean not null default true,
  created_at timestamptz not null default now(),
  -- When it was active first (UTC); absent: never yet, as its source brings its history before.
  shown_at timestamptz,
  constraint instruments_pkey primary key (instrument_id),
  constraint instruments_symbol_key unique (symbol),
  constraint instruments_calendar_fkey foreign key (calendar) references feed.calendars(calendar) on update cascade,
  constraint instruments_source_fkey foreign key (source) references feed.sources(source),
  constraint description_is_printable check (description !~ '[[:cntrl:]؜​-‏ -‮⁠-⁯﻿]' and length(description) <= 200),
  constraint price_precision_is_from_0_to_12 check (price_precision >= 0 and price_precision <= 12),
  constraint symbol_is_allowed check (symbol ~ '^[A-Z0-9][A-Z0-9._:-]{0,31}$')
);
create trigger _100_keep_history before delete or update of instrument_id, source on feed.instruments for each row
  execute function feed.tg_instruments__keep_history();
create trigger _110_forget_work after delete on feed.instruments for each row
  execute function indicator.tg_instruments__forget();
create trigger _110_keep_history before truncate on feed.instruments for each statement
  execute function feed.tg_instruments__keep_history();
create trigger _120_forget_deltas after delete on feed.instruments for each row
  execute function outbox.tg_instruments__forget();
create trigger _120_note_shown before insert or update of is_active on feed.instruments for each row
  execute function feed.tg_instruments__note_shown();
create trigger _130_pass_over after update of is_active on feed.instruments for each row
  execute function outbox.tg_instruments__pass_over();
create trigger _500_fulfil after insert or update of is_active on feed.instruments for each row
  execute function indicator.tg_instruments__fulfil();
create trigger _600_tell_newest after update on feed.instruments
  referencing old table as old_instruments new table as new_instruments for each statement
  execute function outbox.tg_instruments__tell_newest();

-- Per instrument its newest tick and when its first one was observed (UTC), also when both were dropped since: what is asked of all history at every moment, and must not cost more with every day of it.
create view feed.newest_ticks (
  instrument_id int,
  first_observed_at timestamptz,
  observed_at timestamptz,
  seq bigint,
  bid double precision,
  ask double precision,
  last double precision,
  size double precision,
  received_at timestamptz
);

-- What is as it should be and passes, but keeps prices from being those of now, in words, and since when (UTC).
create view feed.notes (
  note text,
  since timestamptz
);

-- Sources that are asked over HTTP again and again and answer with JSON: a row is written by feed.add_polled_source, or UPDATE it. The ingest process of the source reads it every two seconds, tries at once what is new in it, and writes what came of it.
create table feed.polled_sources (
  source text not null,
  -- What is asked (GET); {symbol} stands for the provider's symbol, then each instrument is asked for alone. No secrets: it is told.
  url text not null,
  poll_every interval not null,
  -- The provider's symbols by ours; an instrument that is not in it is called the same there.
  symbols jsonb not null default '{}'::jsonb,
  -- Headers of the request by name. {POLLED_TOKEN_...} in a value stands for that variable of the environment of the ingest process.
  headers jsonb not null default '{}'::jsonb,
  -- How times are written: iso with a zone, s, ms, us or ns since 1970; received: the answer has none, and its ticks have the time at which it came.
  time_format text not null,
  -- JSON Pointer (RFC 6901) to the list of prices or trades in the answer; absent: the answer is one. {symbol} in a path stands for the provider's symbol.
  items_path text,
  -- JSON Pointer in an item to the provider's symbol; absent: the items are of the instrument that was asked for.
  symbol_path text,
  -- JSON Pointer in an item, as the others: where when it was observed stands.
  time_path text,
  bid_path text,
  ask_path text,
  last_path text,
  size_path text,
  -- To the id of a trade, a whole number.
  id_path text,
  -- The ids of an instrument's trades grow by one: those that were skipped are gaps, and where none was the time is covered.
  ids_are_consecutive boolean not null default false,
  -- When its instruments are traded, of feed.calendars, unless feed.instruments says otherwise of one; null: not known, and taken as open.
  calendar text,
  -- untried: no process has asked yet; works: each instrument was understood; faulty: outcome says why not.
  status text not null default 'untried',
  outcome text,
  -- Since when (UTC) status and outcome are so.
  told_at timestamptz not null default now(),
  constraint polled_sources_pkey primary key (source),
  constraint polled_sources_calendar_fkey foreign key (calendar) references feed.calendars(calendar) on update cascade,
  constraint polled_sources_source_fkey foreign key (source) references feed.sources(source),
  constraint ask_path_is_a_json_pointer check (ask_path ~ '^(/([^~/]|~[01])*)*$'),
  constraint bid_path_is_a_json_pointer check (bid_path ~ '^(/([^~/]|~[01])*)*$'),
  constraint consecutive_ids_need_id_path_and_time_path check (not ids_are_consecutive or id_path is not null
    and time_path is not null),
  constraint headers_are_an_object check (jsonb_typeof(headers) = 'object'),
  constraint id_path_is_a_json_pointer check (id_path ~ '^(/([^~/]|~[01])*)*$'),
  constraint items_path_is_a_json_pointer check (items_path ~ '^(/([^~/]|~[01])*)*$'),
  constraint last_path_is_a_json_pointer check (last_path ~ '^(/([^~/]|~[01])*)*$'),
  constraint poll_every_is_from_one_second_to_one_day check (poll_every >= '00:00:01'::interval
    and poll_every <= '1 day'::interval),
  constraint size_is_of_a_trade_and_needs_last_path check (size_path is null or last_path is not null),
  constraint size_path_is_a_json_pointer check (size_path ~ '^(/([^~/]|~[01])*)*$'),
  constraint status_is_untried_works_or_faulty check (status = any (array['untried', 'works', 'faulty'])),
  constraint symbol_path_is_a_json_pointer check (symbol_path ~ '^(/([^~/]|~[01])*)*$'),
  constraint symbol_path_needs_items_path check (symbol_path is null or items_path is not null),
  constraint symbols_are_an_object check (jsonb_typeof(symbols) = 'object'),
  constraint there_is_a_path_to_a_price check (coalesce(bid_path, ask_path, last_path) is not null),
  constraint time_format_is_iso_s_ms_us_ns_or_received check (time_format = any (array['iso', 's', 'ms', 'us', 'ns',
    'received'])),
  constraint time_path_is_a_json_pointer check (time_path ~ '^(/([^~/]|~[01])*)*$'),
  constraint time_path_is_there_unless_the_time_is_that_of_reception
    check ((time_path is null) = (time_format = 'received')),
  constraint url_is_of_http_and_names_no_user
    check (url ~ '^https?://[^/?#@[:space:][:cntrl:]]+([/?#][^[:space:][:cntrl:]]*)?$' and length(url) <= 2000)
);

-- What came in and was not stored, as it came, with the reason: bad input, or another price under a stored key (conflict). Of a flood only the first thousand of each reason per source and hour; feed.rejections counts them all.
create table feed.rejected_ticks (
  rejected_tick_id bigint not null generated always as identity,
  source text not null,
  symbol text,
  reason text not null,
  detail text not null,
  raw text not null,
  rejected_at timestamptz not null default clock_timestamp(),
  constraint rejected_ticks_pkey primary key (rejected_tick_id)
);
create index rejected_ticks_rejected_at_idx on feed.rejected_ticks (rejected_at);

-- Every reason in feed.rejections and feed.rejected_ticks. workers/ingest/rejection.ts has the same list.
create view feed.rejection_reasons (
  reason text,
  description text
);
grant select on feed.rejection_reasons to foresight_ingest;

-- How much of what came in was not stored, per source, reason (feed.rejection_reasons) and hour (UTC): all of it is counted here.
create table feed.rejections (
  source text not null,
  reason text not null,
  hour timestamptz not null,
  count bigint not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  constraint rejections_pkey primary key (source, reason, hour)
) with (fillfactor=50);
create index rejections_hour_idx on feed.rejections (hour);

-- Instruments whose removal has begun: their ticks and candles go in steps. Written by feed.remove_instrument, which takes a row away when nothing is left.
create table feed.removals (
  instrument_id int not null,
  symbol text not null,
  requested_at timestamptz not null default clock_timestamp(),
  constraint removals_pkey primary key (instrument_id),
  constraint removals_symbol_key unique (symbol)
);
create trigger _110_forget_indicators after insert on feed.removals for each row
  execute function indicator.tg_removals__forget();
create trigger _120_forget_filters after insert on feed.removals for each row
  execute function outbox.tg_removals__forget();

-- Files that were replayed, and up to which line: an interrupted replay goes on there.
create table feed.replays (
  -- SHA-256 of the file's size and its first 64 KB.
  fingerprint text not null,
  symbol text not null,
  file_name text not null,
  line bigint not null,
  is_finished boolean not null default false,
  updated_at timestamptz not null default now(),
  constraint replays_pkey primary key (fingerprint, symbol)
) with (fillfactor=50);

-- When in each week a market is open, on its own clock: from the opening on, until before the closing, over the end of the week too.
create table feed.sessions (
  calendar text not null,
  -- ISO: 1 is Monday, 7 Sunday.
  opens_day smallint not null,
  opens_at time without time zone not null,
  closes_day smallint not null,
  closes_at time without time zone not null,
  constraint sessions_pkey primary key (calendar, opens_day, opens_at),
  constraint sessions_calendar_fkey foreign key (calendar) references feed.calendars(calendar) on update cascade on delete cascade,
  constraint closes_day_is_from_1_to_7 check (closes_day >= 1 and closes_day <= 7),
  constraint opens_day_is_from_1_to_7 check (opens_day >= 1 and opens_day <= 7),
  constraint session_has_a_length check (opens_day <> closes_day or opens_at <> closes_at)
);

-- Is the source connected, when was it last alive, and what became of every tick it sent: the four counts add up to what was received; feed.rejections has the last two by reason.
create table feed.source_states (
  source text not null,
  state text not null default 'disconnected',
  reason text,
  changed_at timestamptz not null default now(),
  -- When its process spoke first after it had been stopped (UTC).
  begun_at timestamptz not null default now(),
  -- Its provider asked to be left alone until then (UTC): a process that is started anew waits too. Set it to null before, to try at once.
  alone_until timestamptz,
  alive_at timestamptz,
  stored_count bigint not null default 0,
  duplicate_count bigint not null default 0,
  conflicting_count bigint not null default 0,
  rejected_count bigint not null default 0,
  constraint source_states_pkey primary key (source),
  constraint source_states_source_fkey foreign key (source) references feed.sources(source),
  constraint source_states_state_check check (state = any (array['connected', 'disconnected', 'stopped']))
) with (fillfactor=50);

-- Who sends prices: a row is written by feed.register_source when a source is started. Simulated prices carry that label to the screen.
create table feed.sources (
  source text not null,
  is_simulated boolean not null default false,
  -- How long after its end a candle stays forming, for ticks that are on their way.
  grace interval not null default '00:00:01'::interval,
  -- Its process asks the provider for what was missed.
  is_repairable boolean not null default false,
  -- Its ticks come by feed.push_ticks; no process of ours speaks for it.
  is_pushed boolean not null default false,
  description text not null default '',
  constraint sources_pkey primary key (source),
  constraint grace_is_from_zero_to_one_hour check (grace >= '00:00:00'::interval and grace <= '01:00:00'::interval),
  constraint source_is_a_short_code check (source ~ '^[a-z][a-z0-9_]{0,31}$')
);

-- A row per level, which is a relation that grows with time: the ticks, the candles of a timeframe, and what other schemas keep: when it is compressed and how long it is kept. UPDATE compress_after and retain_for as you like; a CALL of ops.apply_storage(), or the next maintenance, does it.
create table feed.storage (
  level text not null,
  -- Of candles; absent: the level is none of candles.
  timeframe text,
  relation text not null,
  -- By which it is old (UTC). The first column of its primary key says whose a row is.
  time_column text not null,
  -- TimescaleDB moves what is older into its columnstore; null: never. Late ticks are still taken in. Plain PostgreSQL has none.
  compress_after interval,
  -- What is older goes, in whole days (UTC); null: kept for ever. Ticks may go while their candles stay.
  retain_for interval,
  -- Older (UTC) was given up: ticks of then are refused. Never goes back.
  floor_at timestamptz not null default '-infinity'::timestamptz,
  -- Older (UTC) may be gone: nothing is computed from it any more.
  dropped_to timestamptz not null default '-infinity'::timestamptz,
  constraint storage_pkey primary key (level),
  constraint storage_relation_key unique (relation),
  constraint storage_timeframe_key unique (timeframe),
  constraint storage_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe) on delete cascade,
  constraint compress_after_is_at_least_a_day check (compress_after >= '1 day'::interval),
  constraint level_of_candles_is_their_timeframe check (level = coalesce(timeframe, level)),
  constraint only_what_is_below_the_floor_is_dropped check (dropped_to <= floor_at),
  constraint retain_for_is_at_least_two_days check (retain_for >= '2 days'::interval)
);
create trigger _050_refuse_delete after delete on feed.storage for each row
  execute function feed.tg_storage__refuse_delete();
create trigger _060_refuse_truncate before truncate on feed.storage for each statement
  execute function feed.tg_storage__refuse_delete();
create trigger _100_check after update on feed.storage referencing old table as old_rows new table as new_rows
  for each statement execute function feed.tg_storage__check();
create trigger _200_want_maintenance after update of compress_after, retain_for on feed.storage for each statement
  execute function ops.tg_storage__want_maintenance();

-- [timescaledb]
-- For each timeframe: 1s, 1m, 5m, 15m, 1h, 4h, 1d.
-- What is stored of feed.candles_<timeframe>, which is to be read (continuous aggregate): feed.refresh_candles refreshes it.
create view feed.stored_candles_<timeframe> (
  instrument_id int,
  bucket timestamptz,
  tick_count bigint,
  volume double precision,
  reconstructed_count bigint,
  bid_open double precision,
  bid_high double precision,
  bid_low double precision,
  bid_close double precision,
  bid_sum double precision,
  bid_count bigint,
  ask_open double precision,
  ask_high double precision,
  ask_low double precision,
  ask_close double precision,
  ask_sum double precision,
  ask_count bigint,
  mid_open double precision,
  mid_high double precision,
  mid_low double precision,
  mid_close double precision,
  mid_sum double precision,
  mid_count bigint,
  last_open double precision,
  last_high double precision,
  last_low double precision,
  last_close double precision,
  last_sum double precision,
  last_count bigint
);
-- continuous aggregate, materialised only

-- Behind feed.newest_ticks: per instrument a row, and one more for each writer that was not finished when another came. Written by the trigger of feed.ticks: who adds a newer tick puts it into the row; where another one that is not finished has it, or there are several, a row is added and those are taken away that it stands for, so that no writer waits for another.
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
) with (fillfactor=50);
create index tick_ends_instrument_id_idx on feed.tick_ends (instrument_id);

-- Observed prices, stored once and never changed. mid is (bid + ask) / 2; last and size are a trade's.
create table feed.ticks (
  instrument_id int not null,
  -- heard, fetched or reconstructed, see feed.tick_origin. Of a tick that came twice, that of the first time.
  origin feed.tick_origin not null default 'heard'::feed.tick_origin,
  -- The source's clock, UTC, microseconds: buckets follow it.
  observed_at timestamptz not null,
  -- The source's trade id or sequence, from 0 on: orders ticks of equal time. Below 0: the tick came without one, and this is its place among those of its time, in the order in which they came.
  seq bigint not null default 0,
  bid double precision,
  ask double precision,
  last double precision,
  size double precision,
  -- Our clock when the tick was stored.
  received_at timestamptz not null default clock_timestamp(),
  constraint ticks_pkey primary key (instrument_id, observed_at, seq),
  constraint ask_is_between_minus_1e15_and_1e15 check (ask > '-1000000000000000'::numeric::double precision
    and ask < '1000000000000000'::numeric::double precision),
  constraint bid_is_between_minus_1e15_and_1e15 check (bid > '-1000000000000000'::numeric::double precision
    and bid < '1000000000000000'::numeric::double precision),
  constraint last_is_between_minus_1e15_and_1e15 check (last > '-1000000000000000'::numeric::double precision
    and last < '1000000000000000'::numeric::double precision),
  constraint observed_at_is_from_1970_to_2100 check (observed_at >= '1970-01-01 00:00:00+00'::timestamptz
    and observed_at < '2100-01-01 00:00:00+00'::timestamptz),
  constraint received_at_is_from_1970_to_2100 check (received_at >= '1970-01-01 00:00:00+00'::timestamptz
    and received_at < '2100-01-01 00:00:00+00'::timestamptz),
  constraint seq_is_an_id_or_a_place check (seq >= '-1000000000'::int),
  constraint size_is_from_0_to_below_1e18 check (size >= 0::double precision
    and size < '1000000000000000000'::numeric::double precision),
  constraint tick_has_a_price check (coalesce(bid, ask, last) is not null)
);
create index ticks_by_time on feed.ticks (observed_at); -- [timescaledb]
create trigger _050_refuse_change before update or truncate on feed.ticks for each statement
  execute function feed.tg_ticks__refuse_change();
create trigger _060_refuse_delete after delete on feed.ticks referencing old table as gone_ticks for each statement -- [postgres]
create trigger _060_refuse_delete before delete on feed.ticks for each statement -- [timescaledb]
  execute function feed.tg_ticks__refuse_delete();
create trigger _100_mark_changes after insert on feed.ticks referencing new table as new_ticks for each statement
  execute function feed.tg_ticks__mark_changes();
create trigger _500_roll_up after insert on feed.ticks referencing new table as new_ticks for each statement -- [postgres]
  execute function feed.tg_ticks__roll_up(); -- [postgres]
-- hypertable by observed_at, chunks of 1 day, columnstore by instrument_id, ordered by observed_at,seq -- [timescaledb]

-- Widths of candles. Buckets are UTC, half-open, and labelled by their left edge.
create table feed.timeframes (
  timeframe text not null,
  width interval not null,
  -- The finer timeframe whose candles this one is rolled up from; absent: the ticks.
  built_from text,
  constraint timeframes_pkey primary key (timeframe),
  constraint timeframes_width_key unique (width),
  constraint timeframes_built_from_fkey foreign key (built_from) references feed.timeframes(timeframe),
  constraint timeframe_is_a_number_and_a_unit check (timeframe ~ '^[1-9][0-9]{0,3}[smhd]$'),
  constraint width_divides_a_day check (width >= '00:00:01'::interval
    and (86400::bigint % extract(epoch from width)::bigint) = 0)
);
create trigger _110_forget_work before delete on feed.timeframes for each row
  execute function indicator.tg_timeframes__forget();
create trigger _120_forget_deltas before delete on feed.timeframes for each row
  execute function outbox.tg_timeframes__forget();
create trigger _120_keep_values after insert on feed.timeframes for each row
  execute function indicator.tg_timeframes__keep_values();

-- Add an instrument and return its id; one that is there already is made active again, and what is said of it is changed; processes say changes_existing false, so that nothing an operator said is undone. is_active false: one that was never shown is not shown until feed.show_instruments, so that its history can come before its indicators.
create function feed.add_instrument(symbol text, source text default 'manual', description text default null,
  price_precision int default null, is_active boolean default true, allows_negative boolean default null,
  changes_existing boolean default true, calendar text default null) returns int security definer;
grant execute on function feed.add_instrument to foresight_ingest;

-- Describe a source that is asked over HTTP and answers with JSON, or describe it anew; the columns of feed.polled_sources say what each argument means.
create function feed.add_polled_source(source text, url text, poll_every interval, time_format text,
  symbols jsonb default '{}'::jsonb, items_path text default null, symbol_path text default null,
  time_path text default null, bid_path text default null, ask_path text default null, last_path text default null,
  size_path text default null, id_path text default null, ids_are_consecutive boolean default false,
  headers jsonb default '{}'::jsonb, description text default 'Polled over HTTP', calendar text default null)
  returns text;

-- Keep candles of another width from now on, and for all history: a number and s, m, h or d that divides a day, such as 30s or 2h.
create function feed.add_timeframe(timeframe text) returns text security definer;

-- Store the candles that ended before now minus lag. -- [postgres]
-- Store the candles that ended before now minus lag, in every timeframe. -- [timescaledb]
create procedure feed.advance_candles(lag interval default '00:00:01'::interval);

-- Does an instrument have prices of zero and below? False for one that is not there.
create function feed.allows_negative(symbol text) returns boolean security definer;
grant execute on function feed.allows_negative to foresight_ingest;

-- How long the provider of a source still wants to be left alone, as it told the process before; null: not any more.
create function feed.alone_for(source text) returns interval security definer;
grant execute on function feed.alone_for to foresight_ingest;

-- The left edge (UTC) of the bucket of this width that holds a time: midnight UTC is one for every width that divides a day.
create function feed.bucket(width interval, at timestamptz) returns timestamptz;

-- The columns of a candle beside instrument and bucket, and the aggregates that give them, of a relation s: the candles of the timeframe built_from, or the ticks (with mid) when it is null. is_sorted: s comes in the order of time.
create function feed.candle_measures(built_from text, is_sorted boolean default false, out columns text,
  out measures text) returns record;

-- Candles of a symbol, oldest first, from the bucket that holds from_time up to buckets that begin before to_time (UTC). side: bid, ask, mid or last. tick_count counts the ticks that have this side; volume is the sum of trade sizes; what is computed is told to 15 significant digits; is_closed: the bucket is over and the source's grace too; reconstructed_count: so many of the bucket's ticks, of whichever side, are reconstructed from the provider's candles (feed.ticks.origin).
create function feed.candles(symbol text, timeframe text, side text default 'mid',
  from_time timestamptz default '-infinity'::timestamptz, to_time timestamptz default 'infinity'::timestamptz)
  returns table(bucket timestamptz, open double precision, high double precision, low double precision,
  close double precision, average double precision, sum double precision, volume double precision, tick_count bigint,
  is_closed boolean, reconstructed_count bigint) security definer;
grant execute on function feed.candles to foresight_indicators, foresight_ingest, foresight_publish;

-- The side itself.
create function feed.checked_side(side text) returns text;

-- [timescaledb]
-- The chunks of a hypertable or of a continuous aggregate, and from when to when (UTC) each reaches.
create function feed.chunks(relation regclass) returns table(chunk regclass, range_start timestamptz,
  range_end timestamptz);

-- Take the newest open gap of a source's active instruments whose time has come, for 20 seconds, and 20 more each time a part of it is covered; no row when there is none.
create function feed.claim_gap(source text) returns table(gap_id bigint, symbol text, missing_from timestamptz,
  missing_to timestamptz, cause text, before_at timestamptz, before_seq bigint, after_at timestamptz,
  after_seq bigint) security definer;
grant execute on function feed.claim_gap to foresight_ingest;

-- The close of the newest candle of a series whose bucket begins before a time (UTC); null when there is none.
create function feed.close_before(instrument_id int, timeframe text, side text, before_bucket timestamptz)
  returns double precision;

-- Compress what is older than a time (UTC) of a level of feed.storage.
create procedure feed.compress_level(level text, before_time timestamptz);

-- Make the candles of one timeframe.
create function feed.create_candles(timeframe text, width interval, built_from text) returns void;

-- Make the candles of every timeframe in feed.timeframes that has none; returns how many were made.
create function feed.create_missing_candles() returns int;

-- Prepare what keeps the candles, after the timeframes changed.
create function feed.define_roll_up() returns void;

-- Drop the candles of one timeframe.
create function feed.drop_candles(timeframe text) returns void;

-- Drop what is older than a time (UTC) of a level of feed.storage.
create procedure feed.drop_level(level text, before_time timestamptz);

-- Name and version of the engine that keeps ticks and candles.
create function feed.engine_version() returns text;
grant execute on function feed.engine_version to foresight_publish, foresight_web;

-- A number as it is written, in JSON or as its text: never through a float.
create function feed.exact_number(told jsonb) returns numeric;

-- Of symbol i we have everything that its source had from covered_from i until covered_to i (UTC, both included, and never later than now): call it after the ticks of that time are stored.
create function feed.extend_coverage(source text, symbols text[], covered_froms timestamptz[],
  covered_tos timestamptz[], causes text[] default null, grade text default 'heard') returns void security definer;
grant execute on function feed.extend_coverage to foresight_ingest;

-- feed.candles with a row for every bucket (UTC) from the one that holds from_time, or the first there is, up to those that begin before to_time. filled is null for a candle of ticks.
create function feed.filled_candles(symbol text, timeframe text, side text, from_time timestamptz,
  to_time timestamptz default 'infinity'::timestamptz) returns table(bucket timestamptz, open double precision,
  high double precision, low double precision, close double precision, average double precision, sum double precision,
  volume double precision, tick_count bigint, is_closed boolean, filled text,
  reconstructed_count bigint) security definer;
grant execute on function feed.filled_candles to foresight_indicators, foresight_ingest, foresight_publish;

-- When the first tick ever of an instrument was observed (UTC), though it may be dropped by now.
create function feed.first_observed_at(instrument_id int) returns timestamptz security definer;

-- When the first tick with a price of a side came in after a time, of those observed in [from_time, to_time); all UTC, null when there is none. side: bid, ask, mid or last.
create function feed.first_received_at(instrument_id int, side text, from_time timestamptz, to_time timestamptz,
  received_after timestamptz) returns timestamptz security definer;
grant execute on function feed.first_received_at to foresight_publish, foresight_web;

-- The symbols that a source's process is to follow now: its active instruments, and those that are shown when their history is there.
create function feed.followed(source text) returns setof text security definer;
grant execute on function feed.followed to foresight_ingest;

-- Delete all that a level of feed.storage, ticks or candles, has of an instrument that is in feed.removals.
create procedure feed.forget_level(level text, instrument_id int);

-- Candles of a symbol by days that end at 17:00 in New York, oldest first: the days that meet [from_time, to_time) (UTC). trading_date is the date in New York on which the day ends, so that Sunday evening belongs to Monday; begins_at and ends_at are UTC, and hours is 24, or 23 and 25 when New York changes its clocks.
create function feed.fx_days(symbol text, side text default 'mid',
  from_time timestamptz default '-infinity'::timestamptz, to_time timestamptz default 'infinity'::timestamptz)
  returns table(trading_date date, begins_at timestamptz, ends_at timestamptz, hours int, open double precision,
  high double precision, low double precision, close double precision, average double precision, sum double precision,
  volume double precision, tick_count bigint, is_closed boolean) security definer;
grant execute on function feed.fx_days to foresight_indicators, foresight_ingest, foresight_publish;

-- Close what was claimed of a gap as impossible to repair, with the reason: it stays missing.
create function feed.give_up_gap(gap_id bigint, fault text) returns void security definer;
grant execute on function feed.give_up_gap to foresight_ingest;

-- Hide the instruments of all simulated sources; returns how many were shown.
create function feed.hide_simulated() returns int security definer;
grant execute on function feed.hide_simulated to foresight_ingest;

-- The first bucket (UTC) of an instrument that there is or may be: that of its first tick ever, or what was kept of the timeframe.
create function feed.history_start(instrument_id int, timeframe text) returns timestamptz security definer;

-- [timescaledb]
-- The hypertable that holds a relation's rows: of a continuous aggregate the one of its stored candles, else the relation itself.
create function feed.hypertable_of(relation regclass) returns regclass;

-- The id of an instrument by its symbol.
create function feed.instrument_id(symbol text) returns int;
grant execute on function feed.instrument_id to foresight_indicators, foresight_ingest, foresight_publish;

-- Do all ticks of a batch (array i holds tick i; observed_at in UTC) come after every stored tick of their instruments?
create function feed.is_after_stored(symbols text[], observed_ats timestamptz[]) returns boolean;

-- Is a market of feed.calendars open at a time (UTC)? By feed.sessions and feed.closures, on its own clock.
create function feed.is_open(calendar text, at timestamptz default now()) returns boolean security definer;
grant execute on function feed.is_open to foresight_publish, foresight_web;

-- Whether the candles of every timeframe are stored up to a time (UTC). -- [postgres]
-- Whether the candles of every timeframe are stored up to a time (UTC), so that what they are made from is not needed to read them. -- [timescaledb]
create function feed.is_stored_until(until_time timestamptz) returns boolean;

-- Keep aside the ticks of a batch of feed.record_ticks, whose arrays these are, that are stored under their key (keys) with another price or size: a fact about the source, kept once. latest and oldest (UTC) bound what is accepted.
create function feed.keep_conflicts(source text, symbols text[], observed_ats timestamptz[], seqs bigint[],
  keys bigint[], bids double precision[], asks double precision[], lasts double precision[], sizes double precision[],
  latest timestamptz, oldest timestamptz) returns int;

-- Count what a source sent and nobody stored in feed.rejections, and keep it in feed.rejected_ticks, of each reason the first thousand per hour: array i holds rejection i, which stands for counts[i] that are alike (absent: one).
create function feed.keep_rejections(source text, symbols text[], reasons text[], details text[], raws text[],
  counts bigint[] default null) returns bigint;

-- The provider of a source asked for something else than prices to be left alone for so long: a process that is started anew waits too.
create function feed.leave_alone(source text, alone_for interval) returns void security definer;
grant execute on function feed.leave_alone to foresight_ingest;

-- Candles of several timeframes of instruments and sides, as feed.read_candles has them: all of each timeframe from the one on that holds from_time (UTC), and some before; in no order.
create function feed.newest_candles(timeframes text[], instrument_ids int[], sides text[], from_time timestamptz,
  with_spread boolean default false) returns table(timeframe text, instrument_id int, side text, bucket timestamptz,
  open double precision, high double precision, low double precision, close double precision, sum double precision,
  volume double precision, tick_count bigint, spread double precision);

-- Bid, ask and time (UTC) of the newest tick of an instrument that has one of them, of the 500 newest that were observed in the five minutes before until_time (UTC), it included.
create function feed.newest_quote(instrument_id int, until_time timestamptz) returns table(bid double precision,
  ask double precision, observed_at timestamptz) security definer;

-- The first bucket (UTC) of an instrument from from_bucket on that has a candle; null when there is none.
create function feed.next_bucket(instrument_id int, timeframe text, from_bucket timestamptz)
  returns timestamptz security definer;

-- When feed.advance_candles next has a candle to store (UTC). -- [postgres]
-- When feed.advance_candles next has a candle to store (UTC), in the past when it has one now, null when all ticks are in stored candles. -- [timescaledb]
create function feed.next_storing_at(lag interval default '00:00:01.3'::interval)
  returns timestamptz security definer;

-- Write down that an instrument's ticks between two times (UTC) may be missing, as far as they are not covered and no gap says so already.
create function feed.open_gap(instrument_id int, gap_from timestamptz, gap_to timestamptz, cause text) returns void;

-- A source says that it missed something: of symbol i ticks may be missing between gap_from i and gap_to i (UTC, at most until now), because of cause i.
create function feed.open_gaps(source text, symbols text[], gap_froms timestamptz[], gap_tos timestamptz[],
  causes text[]) returns void security definer;
grant execute on function feed.open_gaps to foresight_ingest;

-- The times (UTC) after from_time, until to_time, at which a market of feed.calendars that was closed opens, oldest first; none when there is no such calendar.
create function feed.openings(calendar text, from_time timestamptz, to_time timestamptz)
  returns setof timestamptz security definer;
grant execute on function feed.openings to foresight_publish, foresight_web;

-- The keys of a batch of feed.record_ticks, whose arrays these are: seqs, and for each tick without one the seq of the stored tick that is the same, else a place behind those stored of its time (UTC).
create function feed.place_ticks(symbols text[], observed_ats timestamptz[], seqs bigint[], bids double precision[],
  asks double precision[], lasts double precision[], sizes double precision[], copies int[]) returns bigint[];

-- How a source is polled, as feed.polled_sources says it and with its status, and poll_every in milliseconds; null when there is no such row.
create function feed.polled_source(source text) returns jsonb security definer;
grant execute on function feed.polled_source to foresight_ingest;

-- Let the rest of this transaction delete as much of what is compressed as it has to.
create function feed.prepare_bulk_delete() returns void;

-- Make the tables of feed.storage ready to be compressed and dropped, as every deploy does.
create function feed.prepare_levels() returns void;

-- Prepare a statement in this session, if it is not yet; those of this purpose that were prepared long before are forgotten.
create function feed.prepared(purpose text, argument_types text, statement text) returns text;

-- Forget rejected ticks older than keep_ticks, their counts by hour older than keep_counts, and the closed gaps and the coverage of times of which neither ticks nor candles are kept (feed.storage).
create function feed.purge(keep_ticks interval default '7 days'::interval,
  keep_counts interval default '1 year'::interval) returns bigint security definer;
grant execute on function feed.purge to foresight_upkeep;

-- Store ticks of a source that has no process of its own (feed.sources.is_pushed). ticks: a JSON list of at most 10,000 objects: symbol (an instrument of the source), observed_at (when it was observed, ISO 8601 with its zone, microseconds; at most 5 seconds ahead of the database's clock), at least one of bid, ask and last (a trade's price), size (of the trade), in the units of the instrument, and seq (the id of the tick, a whole number from 0 to 2^63 - 1, orders ticks of equal time); absent ones and null were not sent.
create function feed.push_ticks(source text, ticks jsonb) returns table(stored_count int, duplicate_count int,
  conflicting_count int, rejected_count int, first_fault text) security definer;
grant execute on function feed.push_ticks to foresight_push;

-- Stored candles of instruments and sides whose buckets begin in [from_time, to_time) (UTC), each where it has ticks of its side; in no order, or with max_candles the oldest or newest of them, in that order. tick_count counts the ticks of the side; volume is the sum of trade sizes; spread, with_spread and of mid alone, is the last ask less the last bid of the bucket; reconstructed_count: so many of the bucket's ticks, of whichever side, are reconstructed from the provider's candles.
create function feed.read_candles(timeframe text, instrument_ids int[], sides text[], from_time timestamptz,
  to_time timestamptz, max_candles int default null, newest_first boolean default false,
  with_spread boolean default false) returns table(instrument_id int, side text, bucket timestamptz,
  open double precision, high double precision, low double precision, close double precision, sum double precision,
  volume double precision, tick_count bigint, spread double precision, reconstructed_count bigint);

-- An element of the list that feed.push_ticks is given, as the columns of a tick (observed_at in UTC), or why it cannot be one: a reason of feed.rejection_reasons and a sentence; both are null otherwise.
create function feed.read_pushed_tick(pushed jsonb) returns table(symbol text, observed_at timestamptz, seq bigint,
  bid double precision, ask double precision, last double precision, size double precision, reason text, detail text);

-- The newest max_ticks ticks of an instrument, of those observed at until_time (UTC) or before where it is given, newest first.
create function feed.recent_ticks(instrument_id int, max_ticks int, until_time timestamptz default null)
  returns setof feed.ticks security definer;

-- Make ticks of what a source's provider says of a symbol by candles alone: candle i begins at candle_ats[i] (UTC), is width wide, a timeframe's grid, and has these prices; those of a side that it does not have are null.
create function feed.reconstruct_ticks(source text, symbol text, missing_from timestamptz, missing_to timestamptz,
  width interval, candle_ats timestamptz[], bid_opens double precision[], bid_highs double precision[],
  bid_lows double precision[], bid_closes double precision[], ask_opens double precision[],
  ask_highs double precision[], ask_lows double precision[], ask_closes double precision[])
  returns table(stored_count int, duplicate_count int, conflicting_count int, rejected_count int) security definer;
grant execute on function feed.reconstruct_ticks to foresight_ingest;

-- A replay has stored a file's lines up to this one.
create function feed.record_replay(fingerprint text, symbol text, file_name text, line bigint, is_finished boolean)
  returns void security definer;
grant execute on function feed.record_replay to foresight_ingest;

-- A source connected, disconnected, or was stopped in order, and why. alone_for: so long its provider asked to be left alone.
create function feed.record_source_state(source text, state text, reason text default null,
  alone_for interval default null) returns void security definer;
grant execute on function feed.record_source_state to foresight_ingest;

-- Store a batch of ticks, each once: array i holds tick i; absent prices are null, and the seq of a tick without an id.
create function feed.record_ticks(source text, symbols text[], observed_ats timestamptz[], seqs bigint[],
  bids double precision[], asks double precision[], lasts double precision[], sizes double precision[],
  future_tolerance interval default '00:00:05'::interval, copies int[] default null,
  origin feed.tick_origin default 'heard'::feed.tick_origin) returns table(stored_count int, duplicate_count int,
  conflicting_count int, rejected_count int) security definer;
grant execute on function feed.record_ticks to foresight_ingest;

-- Write down what came of asking a polled source: whether each instrument was understood, and in words.
create function feed.record_trial(source text, works boolean, outcome text) returns void security definer;
grant execute on function feed.record_trial to foresight_ingest;

-- Make the candles whose buckets meet [from_time, to_time] (UTC) equal to the ticks, in every timeframe. force also recomputes what TimescaleDB believes to be up to date; plain PostgreSQL always recomputes.
create procedure feed.refresh_candles(from_time timestamptz, to_time timestamptz, force boolean default false);

-- [postgres]
-- Ticks observed before this time (UTC) are in the candles only after feed.refresh_candles.
create function feed.refresh_horizon() returns timestamptz;
grant execute on function feed.refresh_horizon to foresight_publish, foresight_web;

-- [timescaledb]
-- Ticks observed before this time (UTC) are in the candles only after feed.refresh_candles.
create function feed.refresh_horizon() returns timestamptz security definer;
grant execute on function feed.refresh_horizon to foresight_publish, foresight_web;

-- [timescaledb]
-- How TimescaleDB refreshes candles of this width: in batches of a day, the oldest first.
create function feed.refresh_options(width interval) returns jsonb;

-- Make the candles whose buckets meet some ranges of time (UTC) equal to the ticks, in every timeframe. -- [postgres]
-- Make the candles whose buckets meet some ranges of time (UTC) equal to the ticks, in every timeframe. force also recomputes what TimescaleDB believes to be up to date. -- [timescaledb]
create procedure feed.refresh_ranges(ranges tstzmultirange, force boolean default false);

-- Make a source known, or say anew what it is; its process calls it when it starts, or an operator for one whose ticks are pushed. source: a letter, then letters, digits and _, at most 32, all small. grace: how long after its end a candle stays forming, at most an hour; of a source that is there already it stays as it is. is_repairable: the process asks the provider for what was missed. is_pushed: there is no process, its ticks come by feed.push_ticks.
create function feed.register_source(source text, is_simulated boolean, description text default '',
  grace interval default '00:00:01'::interval, is_repairable boolean default false, is_pushed boolean default false)
  returns void security definer;
grant execute on function feed.register_source to foresight_ingest;

-- Keep aside what a source sent and a worker refused before it was a tick: array i holds rejection i, which stands for counts[i] that are alike (absent: one); reasons are of feed.rejection_reasons.
create function feed.reject_ticks(source text, symbols text[], reasons text[], details text[], raws text[],
  counts bigint[] default null) returns bigint security definer;
grant execute on function feed.reject_ticks to foresight_ingest;

-- Stop repairing a claimed gap for now: without a fault it may be claimed again at once, after one later each time, up to an hour.
create function feed.release_gap(gap_id bigint, fault text default null) returns void security definer;
grant execute on function feed.release_gap to foresight_ingest;

-- Remove an instrument with everything of it: ticks, candles, coverage, gaps, replays, what was refused of it, what was captured and is not sent, its indicators with their values and verdicts.
create procedure feed.remove_instrument(symbol text);

-- Drop the candles of a timeframe that nobody needs any more; what is shown of that width is put together from finer ones.
create function feed.remove_timeframe(timeframe text) returns void security definer;

-- The last line that an interrupted replay of this file has stored; 0 when there is none, or it came to its end.
create function feed.replayed_until(fingerprint text, symbol text) returns bigint security definer;
grant execute on function feed.replayed_until to foresight_ingest;

-- Ticks observed before this time (UTC) are refused: they were given up, and their candles are final.
create function feed.retention_floor() returns timestamptz security definer;

-- [postgres]
-- Recompute every candle that holds one of these ticks (instrument and observed_at, UTC), in every timeframe, from the ticks up.
create function feed.roll_up(instrument_ids int[], tick_times timestamptz[]) returns void;
-- Bring ticks that this transaction has just stored, each given once, into every candle that holds them: merged where they are the newest of their instrument, else recomputed.
create function feed.roll_up(ticks feed.ticks[]) returns void;

-- Show or hide all instruments of a source on the dashboard, save for those that were never shown; returns how many changed.
create function feed.set_active(source text, is_active boolean) returns int security definer;
grant execute on function feed.set_active to foresight_ingest;

-- Show prices of an instrument with at least so many digits after the decimal point, 12 at most; returns how many are shown, nothing when there is no such instrument.
create function feed.show_digits(symbol text, digits int) returns int security definer;
grant execute on function feed.show_digits to foresight_ingest;

-- Show the instruments of a source that never were, as their history is there now; returns how many.
create function feed.show_instruments(source text) returns int security definer;
grant execute on function feed.show_instruments to foresight_ingest;

-- A row for each side of a candle c, with its prices as columns, as an item of FROM that is called s; null without sides.
create function feed.side_rows(sides text[], with_spread boolean) returns text;

-- [timescaledb]
-- From when on (UTC) there is what the candles of a timeframe are made from, ticks or finer candles, in whole days; null when there is none.
create function feed.source_start(timeframe text) returns timestamptz;

-- The name of the relation that the candles of a timeframe are stored in.
create function feed.stored_relation(timeframe text) returns text;

-- The stored ticks of some instruments at some times (UTC): element i of both arrays is one key without its seq, which may come twice and is asked once.
create function feed.stored_ticks(instrument_ids int[], observed_ats timestamptz[]) returns setof feed.ticks;

-- Until when (UTC, included) everything of a symbol is stored: to the end of what was heard, else to its newest tick.
create function feed.stored_until(symbols text[]) returns table(symbol text,
  stored_until timestamptz) security definer;
grant execute on function feed.stored_until to foresight_ingest;

-- By how much the sum of a candle's prices may differ without being another one, as the order of addition decides its last digits: 1e-9 of it, or of the largest price times the ticks where some are not above zero.
create function feed.sum_tolerance(sum double precision, high double precision, low double precision,
  tick_count bigint) returns double precision;

-- Refuse what would leave ticks without their instrument, or give them another source.
create function feed.tg_instruments__keep_history() returns trigger security definer;

-- Write down when an instrument is active for the first time.
create function feed.tg_instruments__note_shown() returns trigger security definer;

-- Refuse storage settings that cannot work.
create function feed.tg_storage__check() returns trigger security definer;

-- Refuse to remove a level but together with its timeframe.
create function feed.tg_storage__refuse_delete() returns trigger security definer;

-- Mark the minutes that a statement added ticks to, and keep feed.newest_ticks.
create function feed.tg_ticks__mark_changes() returns trigger security definer;

-- Refuse UPDATE and TRUNCATE of ticks.
create function feed.tg_ticks__refuse_change() returns trigger;

-- Refuse DELETE of ticks, save those that feed.storage has given up, and those of an instrument that is removed. -- [postgres]
-- Refuse DELETE of ticks. -- [timescaledb]
create function feed.tg_ticks__refuse_delete() returns trigger;

-- [postgres]
-- Keep the candles equal to the ticks: runs once per statement that inserts ticks.
create function feed.tg_ticks__roll_up() returns trigger security definer;

-- Why a tick cannot be stored: a reason of feed.rejection_reasons and a sentence; both are null for a good one. instrument_source: whose the symbol is, null when it is in no instrument; allows_negative: whether it has prices of zero and below. latest and oldest: the newest and the oldest observed_at allowed (UTC). seq: null for a tick without an id.
create function feed.tick_fault(source text, symbol text, instrument_source text, allows_negative boolean,
  observed_at timestamptz, seq bigint, bid double precision, ask double precision, last double precision,
  size double precision, latest timestamptz, oldest timestamptz) returns table(reason text, detail text);

-- Order of a tick among those of the same day: by observed_at (UTC), then by seq.
create function feed.tick_position(observed_at timestamptz, seq bigint) returns bytea;

-- The coarsest timeframe whose candles add up to buckets of this width, which is whole seconds: what is shown of a width must not depend on whether candles of it are kept.
create function feed.timeframe_dividing(width interval) returns text;

-- The width of a timeframe such as 1m.
create function feed.timeframe_width(timeframe text) returns interval;
grant execute on function feed.timeframe_width to foresight_indicators, foresight_ingest, foresight_publish;

-- A sentence about a version, such as feed.engine_version() gives it, that is too old or too new for this engine; null for any other. -- [postgres]
-- A sentence about a version, such as feed.engine_version() gives it, that this engine was never tested with; null for one that it was. -- [timescaledb]
create function feed.untested_version(engine_version text default feed.engine_version()) returns text;

-- A time with a zone, as ISO 8601 and psql write it: 2026-01-31T23:59:59.123456Z or 2026-01-31 23:59:59+00.
create function feed.utc_time(told text) returns timestamptz;

-- [timescaledb]
-- Per timeframe: up to where (UTC) its candles are stored, -infinity when none is, and up to where they are stored or a refresh may be storing them at this moment.
create function feed.watermarks() returns table(timeframe text, stored_until timestamptz,
  storing_until timestamptz) security definer;

-- The weaker of two proofs: impossible, candles, time_span, exact, heard; null when both are absent.
create function feed.weaker_grade(one text, other text) returns text;

-- A number that was computed, to 15 significant digits, as it is published and shown: a price of side mid, or a sum or an average.
create function feed.without_noise(price double precision, side text default 'mid') returns double precision;

-- What changed and who still has to be told: changes, candle deltas, subscriptions, deliveries.
create schema outbox;
grant usage on schema outbox to foresight_ingest, foresight_publish, foresight_push, foresight_upkeep;

-- Names a delta: the candle that changed, and the revision of its new state, whose content outbox.candles has.
create type outbox.delta as (instrument_id int, timeframe text, side text, bucket timestamptz, is_closed boolean,
  revision bigint, changed_at timestamptz);

-- The generation that new change marks belong to; each capture begins the next one.
create sequence outbox.change_generation as bigint;

-- Revisions of change marks. One for all, so that a mark that was removed and made again is never taken for the old one.
create sequence outbox.change_revision as bigint;

-- Revisions of candles. One for all, so that a revision can only grow, also after old rows are gone.
create sequence outbox.revision as bigint;

-- History that a subscription asked for and that was not queued yet; a row goes when it has reached the present.
create table outbox.backfills (
  subscription_id int not null,
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  -- The first bucket (UTC) that was not queued yet.
  next_bucket timestamptz not null,
  requested_at timestamptz not null default clock_timestamp(),
  -- The subscription was told all states with higher revisions when they were captured; null: not known yet.
  since_revision bigint,
  constraint backfills_pkey primary key (subscription_id, instrument_id, timeframe, side),
  constraint backfills_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id),
  constraint backfills_subscription_id_fkey foreign key (subscription_id) references outbox.subscriptions(subscription_id) on delete cascade,
  constraint backfills_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe) on delete cascade
);

-- The newest captured state of every subscribed candle: the delta that is, or was, sent.
create table outbox.candles (
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  open double precision not null,
  high double precision not null,
  low double precision not null,
  close double precision not null,
  sum double precision not null,
  volume double precision,
  tick_count bigint not null,
  -- The last ask less the last bid of a candle of mid, if a filter asked for it when it was captured; it tells whether it changed and is no part of messages.
  spread double precision,
  -- End of the bucket plus the source's grace.
  closes_at timestamptz not null,
  is_closed boolean not null,
  revision bigint not null,
  captured_at timestamptz not null,
  -- Added by a backfill, and so told to those only that asked for history.
  is_of_backfill boolean not null default false,
  constraint candles_pkey primary key (instrument_id, timeframe, side, bucket)
) with (fillfactor=50);
create index candles_to_close on outbox.candles (closes_at) where (not is_closed);

-- How far captures have come, in one row that changes with outbox.candles in one transaction: who reads both in one statement knows which of them it has seen.
create table outbox.captured (
  is_only_row boolean not null default true,
  -- The highest of a candle whose content was captured.
  revision bigint not null default 0,
  -- When that was (UTC); it never goes back, whatever the clock does.
  captured_at timestamptz not null default '-infinity'::timestamptz,
  constraint captured_pkey primary key (is_only_row),
  constraint captured_is_only_row_check check (is_only_row)
) with (fillfactor=20);

-- Where ticks came in and candles were not captured since: a row per instrument, minute and generation, however many ticks.
create table outbox.changes (
  instrument_id int not null,
  minute timestamptz not null,
  changed_from timestamptz not null,
  -- Newest tick of the change, inclusive.
  changed_to timestamptz not null,
  -- Drawn anew by every statement that adds ticks; a capture removes the row only if it is still the one it read.
  revision bigint not null default nextval('outbox.change_revision'::regclass),
  -- The revision up to which late ticks were refreshed into the candles (TimescaleDB only).
  refreshed_revision bigint not null default 0,
  -- Value of outbox.change_generation when the ticks were written.
  generation bigint not null default 0,
  -- When the first of its ticks was stored (UTC): since then it waits to be captured.
  marked_at timestamptz not null default clock_timestamp(),
  constraint changes_pkey primary key (instrument_id, minute, generation)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=200, fillfactor=50);

-- Deltas that a queue refused for good, with its reason.
create table outbox.dead_letters (
  dead_letter_id bigint not null generated always as identity,
  subscription text not null,
  queue text not null,
  reason text not null,
  candle jsonb not null,
  failed_at timestamptz not null default clock_timestamp(),
  constraint dead_letters_pkey primary key (dead_letter_id)
);

-- Candles a subscription still has to be sent; further changes of a waiting candle raise its revision, not the number of rows.
create table outbox.deliveries (
  subscription_id int not null,
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  revision bigint not null,
  queued_at timestamptz not null default clock_timestamp(),
  claimed_until timestamptz not null default '-infinity'::timestamptz,
  -- Not sent before: the pace of a forming candle.
  due_at timestamptz not null default '-infinity'::timestamptz,
  -- Since when the subscriber waits for it (UTC): since the first tick was stored of its instrument's changes that were captured together, since the candle and its grace were over, or since history was queued.
  changed_at timestamptz not null default clock_timestamp(),
  constraint deliveries_pkey primary key (subscription_id, instrument_id, timeframe, side, bucket),
  constraint deliveries_subscription_id_fkey foreign key (subscription_id) references outbox.subscriptions(subscription_id) on delete cascade
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, fillfactor=50);
create index deliveries_by_age on outbox.deliveries (((subscription_id + 0)), queued_at);

-- What is wrong between a changed candle and its subscribers' queues, in words, and since when (UTC; null: not known).
create view outbox.faults (
  fault text,
  since timestamptz
);

-- What a subscription wants; an absent instrument or timeframe means all of them.
create table outbox.filters (
  subscription_id int not null,
  instrument_id int,
  timeframe text,
  side text not null,
  -- Also told when the spread of a candle of mid changes: only then is it read, as that costs each read of the series.
  with_spread boolean not null default false,
  -- Drawn when it was added: what captures said before may have left out candles of its series.
  since_revision bigint not null default nextval('outbox.revision'::regclass),
  constraint filters_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id),
  constraint filters_subscription_id_fkey foreign key (subscription_id) references outbox.subscriptions(subscription_id) on delete cascade,
  constraint filters_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe),
  constraint only_mid_has_a_spread check (side = 'mid' or not with_spread),
  constraint side_is_known check (side = any (array['bid', 'ask', 'mid', 'last']))
);
create unique index filters_key on outbox.filters (subscription_id, coalesce(instrument_id, 0), coalesce(timeframe,
  ''), side);
create index filters_of_instrument on outbox.filters (instrument_id);
create index filters_with_spread on outbox.filters (instrument_id, timeframe) where with_spread;

-- Series of which a candle changed that was long over, see outbox.long_over, with the newest revision of such a change: who keeps candles of it reads them again.
create table outbox.late_changes (
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  revision bigint not null,
  constraint late_changes_pkey primary key (instrument_id, timeframe, side)
) with (fillfactor=50);

-- Who is told about changed candles, and on which SQS queue.
create table outbox.subscriptions (
  subscription_id int not null generated always as identity,
  name text not null,
  queue text not null,
  -- Only candles whose bucket is over; else forming ones too.
  closed_only boolean not null default false,
  -- At most one state of a candle per this time while it forms; 0: each that is captured. Closed candles never wait for it.
  forming_every interval not null default '00:00:00'::interval,
  is_paused boolean not null default false,
  created_at timestamptz not null default now(),
  -- After a failed send: not tried again before this time.
  retry_at timestamptz not null default '-infinity'::timestamptz,
  failure_count int not null default 0,
  last_error text,
  last_sent_at timestamptz,
  sent_count bigint not null default 0,
  -- When everything was queued again last (UTC): as long as something waits from before, its queue does not hold all, and what was claimed before counts as not sent.
  republished_at timestamptz not null default '-infinity'::timestamptz,
  constraint subscriptions_pkey primary key (subscription_id),
  constraint subscriptions_name_key unique (name),
  constraint forming_every_is_from_zero_to_one_hour check (forming_every >= '00:00:00'::interval
    and forming_every <= '01:00:00'::interval),
  constraint name_is_a_short_code check (name ~ '^[A-Za-z0-9][A-Za-z0-9_.-]{0,79}$'),
  constraint queue_is_an_sqs_queue_name check (queue ~ '^[A-Za-z0-9_-]{1,80}$')
);
create trigger _100_refuse_removal before delete or update of name on outbox.subscriptions for each row
  execute function indicator.tg_subscriptions__refuse_removal();

-- These candle revisions were refused for good (array i is delivery i): move them to outbox.dead_letters with the reason.
create function outbox.bury(subscription_ids int[], instrument_ids int[], timeframes text[], sides text[],
  buckets timestamptz[], revisions bigint[], reason text) returns int security definer;
grant execute on function outbox.bury to foresight_publish;

-- Turn up to max_changes changed minutes into candle deltas and queue them for their subscriptions.
create function outbox.capture_deltas(max_changes int default 500, out change_count int, out delta_count int)
  returns record security definer;
grant execute on function outbox.capture_deltas to foresight_publish;

-- The candles of every timeframe and side that somebody wants and that hold ticks of these marks, as they are now, to be stored: without revision, is_closed and captured_at; one that holds old and new ticks may come twice.
create function outbox.changed_candles(marks outbox.changes[]) returns setof outbox.candles;

-- Take up to max_deliveries waiting candles of each subscription for 20 seconds, oldest first, with their newest state. claimed_at (UTC) is for outbox.mark_sent. except_queues: queues that somebody sends to right now.
create function outbox.claim_deliveries(max_deliveries int default 1000, except_queues text[] default '{}'::text[])
  returns table(subscription_id int, subscription text, queue text, instrument_id int, symbol text, timeframe text,
  side text, bucket timestamptz, open double precision, high double precision, low double precision,
  close double precision, average double precision, sum double precision, volume double precision, tick_count bigint,
  is_closed boolean, revision bigint, claimed_at timestamptz) security definer;
grant execute on function outbox.claim_deliveries to foresight_publish;

-- Close the captured candles whose bucket and grace are over, and whose ticks of before that are captured, and queue them with a new revision; returns how many.
create function outbox.close_candles(max_candles int default 2000) returns int security definer;
grant execute on function outbox.close_candles to foresight_publish;

-- Queue the next stretches of history for subscriptions that asked for it, about max_candles candles; returns how many stretches were read, 0 when nothing is left or the queues have enough for now.
create function outbox.continue_backfills(max_candles int default 1000) returns int security definer;
grant execute on function outbox.continue_backfills to foresight_publish;

-- What these marks stand for is captured: remove those that did not change meanwhile.
create function outbox.finish_changes(marks outbox.changes[]) returns int;

-- The candles of a series whose buckets begin in [from_bucket, to_bucket) (UTC) and no mark speaks of, to be stored as those of a backfill: without revision, is_closed and captured_at.
create function outbox.history_candles(instrument_id int, timeframe text, side text, from_bucket timestamptz,
  to_bucket timestamptz) returns setof outbox.candles;

-- Whether late ticks wait for outbox.refresh_late.
create function outbox.is_refresh_due() returns boolean;

-- Lock these deliveries (array i is delivery i) until the end of the transaction, before several of them are changed.
create function outbox.lock_deliveries(subscription_ids int[], instrument_ids int[], timeframes text[], sides text[],
  buckets timestamptz[], revisions bigint[]) returns table(place tid, subscription_id int, has_changed boolean);

-- So long after it began a candle of this width is long over: that one changes then is rare, and told in outbox.late_changes.
create function outbox.long_over(width interval) returns interval;

-- A subscription's queue could not be reached or refused: its deliveries wait, for 0.25 seconds doubling to 15, and others go on.
create function outbox.mark_failed(subscription_id int, error text) returns timestamptz security definer;
grant execute on function outbox.mark_failed to foresight_publish;

-- The late ticks that these marks stand for are in the candles now: they may be captured, except where more came meanwhile.
create function outbox.mark_refreshed(marks outbox.changes[]) returns int;

-- These candle revisions were accepted by their queues (array i is delivery i, claimed_ats as outbox.claim_deliveries gave them): remove the deliveries, except where the candle changed, or was queued again, since.
create function outbox.mark_sent(subscription_ids int[], instrument_ids int[], timeframes text[], sides text[],
  buckets timestamptz[], revisions bigint[], claimed_ats timestamptz[]) returns int security definer;
grant execute on function outbox.mark_sent to foresight_publish;

-- Whether a subscription takes more of its history now: it is sent to, and fewer than 2,000 candles wait for it.
create function outbox.may_backfill(subscription outbox.subscriptions) returns boolean;

-- When there is next something to do (UTC): now if marks wait to be captured or something has to be closed, sent or queued, else when the next candle closes, the next paced candle is due, a lease or the wait after a failed send ends.
create function outbox.next_work_at() returns timestamptz security definer;
grant execute on function outbox.next_work_at to foresight_publish;

-- Say in outbox.captured that these were captured now, and in outbox.late_changes which of their series changed long ago.
create function outbox.note_capture(deltas outbox.delta[]) returns void;

-- Ticks came in: ask the publisher for a pass now, and upkeep to store candles if some are late.
create function outbox.nudge() returns void security definer;
grant execute on function outbox.nudge to foresight_ingest, foresight_push;

-- Ask the publisher for a pass now.
create function outbox.nudge_publish() returns void security definer;
grant execute on function outbox.nudge_publish to foresight_publish, foresight_upkeep;

-- Ask upkeep to refresh late ticks into their candles and to store candles now.
create function outbox.nudge_upkeep() returns void security definer;
grant execute on function outbox.nudge_upkeep to foresight_upkeep;

-- Send nothing to a subscription for now; what changes waits, each candle once, with its newest state.
create function outbox.pause(name text) returns boolean security definer;

-- Forget captured states of closed candles older than keep that nobody waits for; returns how many.
create function outbox.purge(keep interval default '7 days'::interval) returns int security definer;
grant execute on function outbox.purge to foresight_upkeep;

-- Queue deltas for every subscription that wants them, or for only one of these; a delivery that still waits only gets the higher revision.
create function outbox.queue_deliveries(deltas outbox.delta[], only_subscription int default null) returns int;

-- Queue captured candles of a series with buckets from from_bucket to before to_bucket (UTC) for one subscription, except those that it was told because they were captured after since_revision; returns how many that were.
create function outbox.queue_history(subscription_id int, instrument_id int, timeframe text, side text,
  from_bucket timestamptz, to_bucket timestamptz, since_revision bigint) returns int;

-- The queues of all subscriptions that are not paused.
create function outbox.queues() returns text[] security definer;
grant execute on function outbox.queues to foresight_publish;

-- Bring late ticks into the candles (TimescaleDB; nothing to do on plain PostgreSQL).
create procedure outbox.refresh_late(inout late_count int default 0);

-- Queue again every captured candle of a subscription that ends after from_time (UTC), with the revision it has; returns how many.
create function outbox.republish(name text, from_time timestamptz default '-infinity'::timestamptz)
  returns int security definer;
grant execute on function outbox.republish to foresight_publish;

-- The deliveries at these places in the table wait from now on, unclaimed.
create function outbox.requeue_deliveries(places tid[]) returns void;

-- Send a paused subscription what waits for it, and go on.
create function outbox.resume(name text) returns boolean security definer;

-- Store candles that were read, each that is new or other than what was captured with a new revision; one of a backfill only if it is new.
create function outbox.store_candles(candles outbox.candles[], marks outbox.changes[] default '{}'::outbox.changes[])
  returns outbox.delta[];

-- Send candles that change from now on to an SQS queue, which is made when it is missing; returns the subscription's id. symbol or timeframe null: all of them. closed_only: not the forming ones. forming_every: at most one state of a candle per this time while it forms. from_time (UTC): also the stored candles that end after it, oldest first.
create function outbox.subscribe(name text, queue text, symbol text default null, timeframe text default null,
  side text default 'mid', closed_only boolean default false, forming_every interval default '00:00:00'::interval,
  from_time timestamptz default null) returns int security definer;
-- As outbox.subscribe for one symbol, for each of several symbols, timeframes and sides (null symbols or timeframes: all).
create function outbox.subscribe(name text, queue text, symbols text[], timeframes text[] default null,
  sides text[] default '{mid}'::text[], closed_only boolean default false,
  forming_every interval default '00:00:00'::interval, from_time timestamptz default null)
  returns int security definer;

-- After an instrument was removed: forget what was captured of it, sent or not.
create function outbox.tg_instruments__forget() returns trigger security definer;

-- An instrument is shown for the first time: what came in before is told to nobody who subscribes from now on, unless somebody had asked for it already.
create function outbox.tg_instruments__pass_over() returns trigger security definer;

-- An instrument is shown for the first time: the candles that hold its newest tick are told to those who ask for them.
create function outbox.tg_instruments__tell_newest() returns trigger security definer;

-- When an instrument is removed: no subscription is told of it any more.
create function outbox.tg_removals__forget() returns trigger security definer;

-- Before a timeframe is removed: forget what was captured of its candles.
create function outbox.tg_timeframes__forget() returns trigger security definer;

-- End a subscription and forget what it was not sent; its queue stays.
create function outbox.unsubscribe(name text) returns boolean security definer;

-- Indicators on candles: kinds, definitions, values.
create schema indicator;
grant usage on schema indicator to foresight_indicators, foresight_sandbox, foresight_service, foresight_upkeep;

-- What a SQL function that is a kind gets of a candle: its left edge (UTC), and of one side its prices; average is sum / tick_count, volume the sum of trade sizes, null where no tick had one; spread, of mid alone, the last ask less the last bid.
create type indicator.candle as (bucket timestamptz, open double precision, high double precision,
  low double precision, close double precision, average double precision, volume double precision, tick_count bigint,
  spread double precision);

-- What a SQL function that is a kind returns: the numbers that it declares, verdict +1, 0 or -1, strength from -1 to 1 with its sign; of a forecast the horizon in bars and its interval, else null. Without outputs there is no value.
create type indicator.reading as (outputs double precision[], verdict int, strength double precision, horizon int,
  low double precision, high double precision);

-- The generation that new marks belong to; who takes marks begins the next one.
create sequence indicator.mark_generation as bigint;

-- Names a piece of work until it is done. One that is asked for again while somebody has it in hand gets another, so that nobody strikes off what was not done.
create sequence indicator.work_id as bigint;

-- Indicators whose history is being computed, and from which bucket it goes on.
create table indicator.backfills (
  indicator_id int not null,
  service text not null,
  next_bucket timestamptz not null,
  -- 0 fills only what no candle revision asked for; a drawn revision overwrites older values.
  revision bigint not null,
  -- Drawn anew each time the history is asked for.
  work_id bigint not null default nextval('indicator.work_id'::regclass),
  -- Its newest closed candle goes before all history, once: no message will tell of that one.
  is_newest_due boolean not null default false,
  requested_at timestamptz not null default clock_timestamp(),
  -- When its last stretch was stored: the one that waits longest is next.
  progressed_at timestamptz not null default clock_timestamp(),
  leased_until timestamptz not null default '-infinity'::timestamptz,
  constraint backfills_pkey primary key (indicator_id),
  constraint backfills_work_id_key unique (work_id),
  constraint backfills_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade,
  constraint backfills_service_fkey foreign key (service) references indicator.services(service)
) with (fillfactor=50);
create index backfills_by_turn on indicator.backfills (service, is_newest_due desc, progressed_at);

-- Indicators that have a candle that was sent and is not in their newest value, and since when (UTC): for a moment all that change, for longer those that nobody computes. Those whose history is being computed are left out.
create view indicator.behind (
  indicator_id int,
  service text,
  symbol text,
  timeframe text,
  side text,
  label text,
  bucket timestamptz,
  behind_since timestamptz
);

-- What a service refused of its queue or set aside, and why: the newest 500 of each service and reason. Written by indicator.set_aside.
create table indicator.dead_letters (
  dead_letter_id bigint not null generated always as identity,
  service text not null,
  -- not_a_message, not_a_candle: the body is none; revision_not_drawn: no candle ever had this revision; in_future, before_history, unaligned: there is no candle of this bucket; not_storable: the database cannot take it; not_computed: its values failed several times.
  reason text not null,
  detail text not null,
  -- The message, or the candle that it named, as JSON; cut off when it was longer than 65,536 characters.
  body text not null,
  -- How often the same came.
  times bigint not null default 1,
  first_failed_at timestamptz not null default clock_timestamp(),
  failed_at timestamptz not null default clock_timestamp(),
  constraint dead_letters_pkey primary key (dead_letter_id),
  constraint dead_letters_service_fkey foreign key (service) references indicator.services(service) on delete cascade,
  constraint body_has_at_most_65536_characters check (length(body) <= 65536),
  constraint detail_has_at_most_500_characters check (length(detail) <= 500),
  constraint reason_is_known check (reason = any (array['not_a_message', 'not_a_candle', 'revision_not_drawn',
    'in_future', 'before_history', 'unaligned', 'not_storable', 'not_computed']))
);
create index dead_letters_by_age on indicator.dead_letters (service, reason, failed_at);
create unique index dead_letters_by_body on indicator.dead_letters (service, reason, md5(body));

-- An indicator on one series of candles. Other parameters are another indicator.
create table indicator.definitions (
  indicator_id int not null generated always as identity,
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  kind text not null,
  -- That of its kind: who computes it.
  service text not null,
  params jsonb not null,
  label text not null,
  -- Candles that a value needs at least; with fewer it is warming up.
  bars_required int not null,
  -- Candles that a value is computed from, if so many exist: its window ends with its bucket. With fewer it is settling.
  bars_window int not null,
  -- How many numbers a value has: as many as its kind declares.
  output_count int not null,
  -- No side was asked for, and no tick has told yet which one there is: see indicator.settle_sides.
  is_side_open boolean not null default false,
  -- At most one value of a candle per this time while it forms; 0: one each time it changes. A closed candle has its value at once. Set by indicator.set_pace.
  forming_every interval not null default '00:00:00'::interval,
  created_at timestamptz not null default now(),
  constraint definitions_pkey primary key (indicator_id),
  constraint definitions_instrument_id_timeframe_side_kind_params_key unique (instrument_id, timeframe, side, kind,
    params),
  constraint definitions_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id),
  constraint definitions_kind_fkey foreign key (kind) references indicator.kinds(kind),
  constraint definitions_service_fkey foreign key (service) references indicator.services(service),
  constraint definitions_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe),
  constraint definitions_side_check check (side = any (array['bid', 'ask', 'mid', 'last'])),
  constraint pace_is_up_to_one_hour check (forming_every >= '00:00:00'::interval
    and forming_every <= '01:00:00'::interval),
  constraint window_is_from_what_is_required_to_5000_bars check (1 <= bars_required and bars_required <= bars_window
    and bars_window <= 5000)
);
create index definitions_by_pace on indicator.definitions (instrument_id, timeframe, side, service, forming_every);
create index definitions_with_open_side on indicator.definitions (instrument_id) where is_side_open;
create trigger _600_follow_side after update of side on indicator.definitions for each row when (old.side <> new.side)
  execute function alert.tg_definitions__follow();

-- Stored values that came out otherwise when they were computed again from the same candles: the newest 1000. Written by indicator.compare_values. One counts as long as its value stays as it is.
create table indicator.differences (
  indicator_id int not null,
  bucket timestamptz not null,
  -- Of the value that was stored.
  revision bigint not null,
  -- When that value was computed (UTC): computed_at of indicator.values.
  stored_at timestamptz not null,
  params jsonb not null,
  -- Its outputs, verdict, strength, forecast and bars.
  stored jsonb not null,
  -- The same of the value that came out.
  computed jsonb not null,
  -- What computed it again, and in which version.
  computed_by text not null,
  found_at timestamptz not null default clock_timestamp(),
  looked_at timestamptz not null default clock_timestamp(),
  -- When it differed again (UTC), some time after it was found; null: it was seen once, and is told by nobody.
  confirmed_at timestamptz,
  constraint differences_pkey primary key (indicator_id, bucket),
  constraint differences_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade,
  constraint computed_by_has_at_most_200_characters check (length(computed_by) <= 200)
);
create index differences_by_age on indicator.differences (found_at);

-- What is wrong between a queue and the values of each service, in words, and since when (UTC).
create view indicator.faults (
  fault text,
  since timestamptz
);

-- Which wish made, or also asks for, which indicator.
create table indicator.granted (
  wish_id int not null,
  indicator_id int not null,
  constraint granted_pkey primary key (wish_id, indicator_id),
  constraint granted_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade,
  constraint granted_wish_id_fkey foreign key (wish_id) references indicator.wishes(wish_id) on delete cascade
);
create index granted_by_indicator on indicator.granted (indicator_id);

-- Indicators that a service can compute. Services register theirs when they start.
create table indicator.kinds (
  kind text not null,
  service text not null,
  description text not null,
  -- In words: when the verdict is bullish, bearish, neutral.
  rule text not null,
  label text not null,
  -- Where the formula comes from.
  definition text not null,
  -- Per parameter its type, bounds and default; see indicator.register_kind.
  parameters jsonb not null,
  -- What of a candle it reads.
  columns text[] not null,
  -- The numbers that a value has, each with name, unit, pane and thresholds; the first is what is called the value.
  outputs jsonb not null,
  -- Candles that a value needs at least: a list of sums of parameters times numbers, of which the largest counts; see indicator.longest_sum.
  bars_required jsonb not null,
  -- Candles that a value is computed from when there are enough, in the same way.
  bars_window jsonb not null,
  -- It has no value of a candle that forms.
  closed_only boolean not null,
  registered_at timestamptz not null default now(),
  constraint kinds_pkey primary key (kind),
  constraint kinds_service_fkey foreign key (service) references indicator.services(service),
  constraint kind_is_a_short_code check (kind ~ '^[a-z][a-z0-9_]{0,39}$')
);

-- The newest value of every indicator; verdict +1 bullish, 0 neutral, -1 bearish, null while there is none. reading says it in words or, without one, why there is none, and reason the same as a code, see indicator.absences. A value of fewer bars than its window is settling. outputs: those that its kind declares, as [{"name", "unit", "pane", "thresholds", "value"}], value null while there is none.
create view indicator.latest (
  indicator_id int,
  symbol text,
  timeframe text,
  side text,
  kind text,
  label text,
  params jsonb,
  bucket timestamptz,
  value double precision,
  outputs jsonb,
  verdict smallint,
  strength real,
  forecast jsonb,
  reading text,
  bars int,
  bars_required int,
  bars_window int,
  is_closed boolean,
  revision bigint,
  computed_at timestamptz,
  is_active boolean,
  reason text
);

-- Watched candles with a value that changed and was not looked at since, however often it changed.
create table indicator.marks (
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  -- Value of indicator.mark_generation when the value was stored.
  generation bigint not null,
  -- Since when (UTC) it waits to be looked at.
  marked_at timestamptz not null default clock_timestamp(),
  constraint marks_pkey primary key (instrument_id, timeframe, side, bucket, generation)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=200, fillfactor=50);
create index marks_by_age on indicator.marks (marked_at);

-- Closed candles that a service did not hear of though it did of later ones: its queue lost them. They were given to it when they were found. Written by indicator.find_missed.
create table indicator.missed (
  service text not null,
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  revision bigint not null,
  -- When the change was captured (UTC), and so queued to be sent.
  captured_at timestamptz not null,
  found_at timestamptz not null default clock_timestamp(),
  constraint missed_pkey primary key (service, instrument_id, timeframe, side, bucket),
  constraint missed_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id) on delete cascade,
  constraint missed_service_fkey foreign key (service) references indicator.services(service) on delete cascade,
  constraint missed_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe) on delete cascade
);
create index missed_by_age on indicator.missed (found_at);

-- Changed candles whose indicators a service did not compute since: a row for each pace of these.
create table indicator.pending (
  service text not null,
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  -- The pace of the indicators that are to be computed.
  forming_every interval not null default '00:00:00'::interval,
  revision bigint not null,
  -- Until then somebody computes it, who renews the lease if he takes longer; or it waits for its pace.
  leased_until timestamptz not null default '-infinity'::timestamptz,
  -- Since when (UTC) its change waits to be computed: since it was taken from the queue, or since it changed again while it was being computed; with a pace, since its turn, which may lie ahead.
  accepted_at timestamptz not null default clock_timestamp(),
  -- Drawn anew each time its candle changes, save while it waits for its turn, as then nobody has it in hand.
  work_id bigint not null default nextval('indicator.work_id'::regclass),
  -- How often it could not be computed since it changed: such a one is claimed alone, and set aside the third time.
  failure_count int not null default 0,
  constraint pending_pkey primary key (service, instrument_id, timeframe, side, bucket, forming_every),
  constraint pending_work_id_key unique (work_id)
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500, fillfactor=50);
create index pending_by_bucket on indicator.pending (service, bucket desc, work_id);

-- How long the values of a timeframe are kept, where that is not as long as feed.storage has it for all values. INSERT, UPDATE and DELETE rows as you like; a CALL of ops.apply_storage(), or the next maintenance, does it.
create table indicator.retention (
  timeframe text not null,
  -- What is older goes, in whole days (UTC).
  retain_for interval not null,
  -- Older (UTC) was given up: values of then are not computed. Never goes back.
  floor_at timestamptz not null default '-infinity'::timestamptz,
  -- Older (UTC) is gone.
  dropped_to timestamptz not null default '-infinity'::timestamptz,
  constraint retention_pkey primary key (timeframe),
  constraint retention_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe) on delete cascade,
  constraint only_what_is_below_the_floor_is_dropped check (dropped_to <= floor_at),
  constraint retain_for_is_at_least_two_days check (retain_for >= '2 days'::interval)
);
create trigger _200_want_maintenance after insert or update of retain_for on indicator.retention for each statement
  execute function ops.tg_storage__want_maintenance();

-- Who computes. Each service has its own queue, kinds and work, so that none delays or strikes off another's.
create table indicator.services (
  service text not null,
  -- The SQS queue on which it is told about candles.
  queue text not null,
  description text not null default '',
  -- It is told about closed candles only.
  closed_only boolean not null default false,
  -- At most one state of a candle per this time while it forms; 0: each.
  forming_every interval not null default '00:00:00'::interval,
  -- So many of its indicators are computed at each change of a candle that forms; those that are added beyond them at most once a second, see indicator.set_pace. Edit it to what the machine can bear.
  at_once_limit int not null default 400,
  registered_at timestamptz not null default now(),
  -- How many messages and candles it has ever refused or set aside; the newest of them are in indicator.dead_letters.
  refused_count bigint not null default 0,
  -- When values of it were last drawn (UTC) to be computed again, see indicator.draw_values.
  checked_at timestamptz not null default '-infinity'::timestamptz,
  constraint services_pkey primary key (service),
  constraint services_queue_key unique (queue),
  constraint service_is_a_short_code check (service ~ '^[a-z][a-z0-9_]{0,39}$'),
  constraint services_at_once_limit_check check (at_once_limit >= 0)
);

-- Indicators that are added together, by indicator.add_set. Edit it: where a set was added, its indicators follow.
create table indicator.sets (
  set text not null,
  kind text not null,
  -- Those left out get their defaults.
  params jsonb not null,
  constraint sets_pkey primary key (set, kind, params),
  constraint set_is_a_short_code check (set ~ '^[a-z][a-z0-9_]{0,39}$')
);
create trigger _100_check before insert or update on indicator.sets for each row
  execute function indicator.tg_sets__check();
create trigger _500_follow after insert or delete or update on indicator.sets for each row
  execute function indicator.tg_sets__follow();
create trigger _600_keep_votes after update of params on indicator.sets for each row when (old.set = 'rating'
  and new.set = 'rating' and new.kind = old.kind) execute function rating.tg_sets__keep_votes();

-- Kinds that are SQL functions: see indicator.define_sql_kind.
create table indicator.sql_kinds (
  kind text not null,
  -- Its name with its schema.
  function text not null,
  -- Digest of the function as it was defined: another one is not run, as its values would be of another kind.
  fingerprint text not null,
  constraint sql_kinds_pkey primary key (kind),
  constraint sql_kinds_kind_fkey foreign key (kind) references indicator.kinds(kind) on delete cascade
);

-- Closed candles whose values were stored, again or for the first time, and were not scored since: a stretch of an indicator per row, as often as it was stored. Written by indicator.record_values.
create table indicator.unscored (
  unscored_id bigint not null generated always as identity,
  indicator_id int not null,
  from_bucket timestamptz not null,
  -- The last bucket (UTC), inclusive.
  to_bucket timestamptz not null,
  -- How many values were stored.
  candles int not null,
  -- Since when it waits (UTC, our clock).
  noted_at timestamptz not null default clock_timestamp(),
  constraint unscored_pkey primary key (unscored_id),
  constraint unscored_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade
) with (autovacuum_vacuum_scale_factor=0, autovacuum_vacuum_threshold=500);
create index unscored_by_indicator on indicator.unscored (indicator_id, unscored_id);
create index unscored_histories on indicator.unscored (unscored_id) where (candles >= 16);

-- Behind indicator.newest_values: per indicator the newest bucket (UTC) that ever had a value, and one row more for each writer that was not finished when another came. Written by the trigger of indicator.values: who adds a newer one adds a row and takes those away that it stands for, so that no writer waits for another.
create table indicator.value_ends (
  indicator_id int not null,
  bucket timestamptz not null,
  constraint value_ends_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade
);
create index value_ends_indicator_id_bucket_idx on indicator.value_ends (indicator_id, bucket desc);

-- One value a candle: a pure function of the window of candles that ends with it.
create table indicator.values (
  indicator_id int not null,
  bucket timestamptz not null,
  value double precision,
  -- The numbers that its kind declares, in that order; absent while warming up.
  outputs double precision[],
  -- +1 bullish, 0 neutral, -1 bearish; absent while warming up.
  verdict smallint,
  -- How clear the verdict is, from 0 to 1, with its sign.
  strength real,
  -- Of a forecast: so many bars ahead the price lies between low and high.
  horizon int,
  low double precision,
  high double precision,
  -- Candles of the window that existed; fewer than required means warming up, fewer than the whole window settling.
  bars int not null,
  -- The candle revision that asked for this value; a lower one never overwrites it.
  revision bigint not null,
  computed_at timestamptz not null default clock_timestamp(),
  constraint values_pkey primary key (indicator_id, bucket),
  constraint values_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade,
  constraint forecast_is_an_interval_some_bars_ahead check ((num_nulls(horizon, low, high) = any (array[0, 3]))
    and horizon > 0 and low > '-Infinity'::double precision and low <= high and high < 'Infinity'::double precision),
  constraint outputs_are_finite_numbers check (array_position(outputs, null) is null
    and ('Infinity'::double precision > all (outputs)) and ('-Infinity'::double precision < all (outputs))),
  constraint strength_is_up_to_1_and_has_the_sign_of_the_verdict check (abs(strength) <= 1::double precision
    and (sign(strength::double precision) = 0::double precision
    or sign(strength::double precision) = verdict::double precision)),
  constraint value_is_the_first_output check (not value is distinct from outputs[1]),
  constraint verdict_and_strength_come_with_a_value check (num_nulls(value, verdict, strength) = any (array[0, 3])),
  constraint verdict_is_bullish_neutral_or_bearish check (verdict = any (array['-1'::int, 0, 1]))
) with (fillfactor=70);
create trigger _100_keep_ends after insert on indicator."values" referencing new table as new_values
  for each statement execute function indicator.tg_values__keep_ends();
-- hypertable by bucket, chunks of 7 days, columnstore by indicator_id, ordered by bucket -- [timescaledb]

-- What was said of a candle when it was closed, and again when a later revision said something else. Rows are only added; indicator.values is the newest truth.
create table indicator.verdicts (
  indicator_id int not null,
  bucket timestamptz not null,
  -- The candle revision that asked for it.
  revision bigint not null,
  -- When it was stored (UTC, our clock).
  said_at timestamptz not null default clock_timestamp(),
  verdict smallint not null,
  strength real not null,
  value double precision not null,
  -- Close of the candle that was seen.
  price double precision not null,
  constraint verdicts_pkey primary key (indicator_id, bucket, revision),
  constraint verdicts_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade
);
create trigger _050_refuse_change before delete or update on indicator.verdicts for each row
  execute function indicator.tg_verdicts__refuse_change();
create trigger _060_refuse_truncate before truncate on indicator.verdicts for each statement
  execute function indicator.tg_verdicts__refuse_change();
-- hypertable by bucket, chunks of 7 days, columnstore by indicator_id, ordered by bucket,revision -- [timescaledb]

-- Candles whose indicators somebody watches: each change of their values is marked in indicator.marks. Written by who watches.
create table indicator.watched (
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  -- Older ones (UTC) are watched by nobody, so a history that is computed anew marks nothing.
  from_bucket timestamptz not null,
  constraint watched_pkey primary key (instrument_id, timeframe, side),
  constraint watched_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id) on delete cascade,
  constraint watched_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe) on delete cascade
);

-- What was asked for: by indicator.add a kind, by indicator.add_set a set, on a symbol or on all (*), and how many indicators that is. side is absent where each instrument's own is taken.
create view indicator.wish_list (
  wish_id int,
  symbol text,
  timeframe text,
  side text,
  set text,
  kind text,
  params jsonb,
  indicators bigint,
  wished_at timestamptz
);

-- What was asked for by indicator.add and indicator.add_set, and the defaults of kinds, which ask for all instruments: see indicator.wish_list. A wish that is deleted takes with it the indicators that no other asks for.
create table indicator.wishes (
  wish_id int not null generated always as identity,
  -- Absent: every instrument that was ever shown, those too that are added later.
  instrument_id int,
  timeframe text not null,
  -- Absent: the side that an instrument has, see indicator.side_of.
  side text,
  set text,
  kind text,
  params jsonb,
  wished_at timestamptz not null default now(),
  constraint wishes_pkey primary key (wish_id),
  constraint wishes_instrument_id_timeframe_side_set_kind_params_key unique nulls not distinct (instrument_id,
    timeframe, side, set, kind, params),
  constraint wishes_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id) on delete cascade,
  constraint wishes_kind_fkey foreign key (kind) references indicator.kinds(kind),
  constraint wishes_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe),
  constraint wish_is_for_a_set_or_a_kind check (num_nonnulls(set, kind) = 1 and (num_nulls(kind,
    params) = any (array[0, 2]))),
  constraint wishes_side_check check (side = any (array['bid', 'ask', 'mid', 'last']))
);
create trigger _100_remove_indicators before delete on indicator.wishes for each row
  execute function indicator.tg_wishes__remove_indicators();
create trigger _600_forget_rules after delete on indicator.wishes for each statement
  execute function alert.tg_wishes__forget();

-- Why each of these indicators has no verdict, if it has none: reason no_price no tick came yet, no_side its instrument has no such prices, no_service nobody computes, history it is being computed, set_aside its candle could not be computed (indicator.dead_letters), paused its service is told nothing, not_closed it reads closed candles only and there is none, waiting its first candle is not computed yet, too_few candles, no_sizes it reads volume and there is none, no_spread it reads the spread and its side is not mid, no_value these candles allow none. words says it in UTC.
create function indicator.absences(indicator_ids int[]) returns table(indicator_id int, reason text,
  words text) security definer;

-- Take candle deltas of a message to a service (array i is candle i): their indicators of its kinds have to be computed.
create function indicator.accept_candles(service text, symbols text[], timeframes text[], sides text[],
  buckets timestamptz[], revisions bigint[]) returns int security definer;
grant execute on function indicator.accept_candles to foresight_indicators, foresight_service;

-- Compute an indicator on the candles of a symbol and timeframe from now on, and on all stored ones; returns its id (the existing one's if it is there). symbol *: of every instrument, those too that are added later, as soon as they are shown; returns null, and indicator.wish_list shows it.
create function indicator.add(symbol text, timeframe text, kind text, params jsonb default '{}'::jsonb,
  side text default null) returns int security definer;

-- Compute all indicators of a set (indicator.sets) on the candles of a symbol (*: of every instrument, those too that are added later) and timeframe, as indicator.add does; returns how many.
create function indicator.add_set(symbol text, timeframe text, set text, side text default null)
  returns int security definer;

-- A process that computes for these services says that it is alive, at least every five seconds; host and process_id name it, worker_ids are its graphile-worker ids, if it has some.
create function indicator.beat(services text[], host text default '', process_id int default 0,
  worker_ids text[] default '{}'::text[]) returns timestamptz security definer;
grant execute on function indicator.beat to foresight_indicators, foresight_service;

-- Why there cannot be this candle (bucket in UTC) with this revision, as in indicator.dead_letters; null: there can. drawn is the highest revision that any candle has, is_captured whether outbox.candles has this one.
create function indicator.candle_fault(instrument_id int, timeframe text, bucket timestamptz, revision bigint,
  drawn bigint, is_captured boolean) returns text;

-- Stored candles of a series as arrays, oldest first: the buckets from from_bucket to to_bucket (UTC, both inclusive), with up to bars_before existing candles before and bars_after after them.
create function indicator.candle_window(instrument_id int, timeframe text, side text, from_bucket timestamptz,
  to_bucket timestamptz, bars_before int, bars_after int, out buckets timestamptz[], out opens double precision[],
  out highs double precision[], out lows double precision[], out closes double precision[],
  out sums double precision[], out volumes double precision[], out tick_counts bigint[],
  out spreads double precision[]) returns record security definer;
grant execute on function indicator.candle_window to foresight_indicators, foresight_service;

-- indicator.candle_window for several stretches at once (array i is stretch i); position counts them from 1, in no order.
create function indicator.candle_windows(instrument_ids int[], timeframes text[], sides text[],
  from_buckets timestamptz[], to_buckets timestamptz[], bars_before int[], bars_after int[])
  returns table("position" int, buckets timestamptz[], opens double precision[], highs double precision[],
  lows double precision[], closes double precision[], sums double precision[], volumes double precision[],
  tick_counts bigint[], spreads double precision[]) security definer;
grant execute on function indicator.candle_windows to foresight_indicators, foresight_service;

-- Captured candles of series (array i is series i, at position i) that changed since what was said of them before: captured_revision and captured_at (UTC) as this function gave them when they were read, both null for a series that was not.
create function indicator.candles_since(instrument_ids int[], timeframes text[], sides text[],
  since_revisions bigint[], since_times timestamptz[], with_newest boolean default false)
  returns table("position" int, captured_revision bigint, captured_at timestamptz, floor_at timestamptz,
  with_spread boolean, is_known boolean, buckets timestamptz[], opens double precision[], highs double precision[],
  lows double precision[], closes double precision[], sums double precision[], volumes double precision[],
  tick_counts bigint[], spreads double precision[]) security definer;
grant execute on function indicator.candles_since to foresight_indicators, foresight_service;

-- The complete parameters of an indicator kind, defaults filled in.
create function indicator.checked_params(kind text, params jsonb) returns jsonb;

-- The same service.
create function indicator.checked_service(service text) returns text;

-- Lease the next stretch of history of a service for 10 seconds, of the indicator that waited longest, or before that the newest closed candle of one that nobody will be told of: the indicator, and its candles of max_candles buckets, of up to 16 times as many where most are empty, as indicator.candle_window gives them.
create function indicator.claim_backfill(service text, max_candles int default 1000) returns table(instrument_id int,
  timeframe text, side text, from_bucket timestamptz, to_bucket timestamptz, revision bigint, closed_to timestamptz,
  work_id bigint, indicators jsonb, buckets timestamptz[], opens double precision[], highs double precision[],
  lows double precision[], closes double precision[], sums double precision[], volumes double precision[],
  tick_counts bigint[], spreads double precision[]) security definer;
grant execute on function indicator.claim_backfill to foresight_indicators, foresight_service;

-- Lease changed candles of a service for 10 seconds, the newest, grouped by series and pace, those of the shortest pace first, of one pace the newest first: forming_every, the pace, the indicators to compute, and bars, the longest window of candles among them (null when nobody wants the series any more).
create function indicator.claim_pending(service text, max_candles int default 500) returns table(instrument_id int,
  timeframe text, side text, from_bucket timestamptz, to_bucket timestamptz, revision bigint, closed_to timestamptz,
  work_ids bigint[], indicators json, bars int, forming_every interval) security definer;
grant execute on function indicator.claim_pending to foresight_indicators, foresight_service;

-- A time in UTC as a person reads it: with its day where that is not today.
create function indicator.clock_time(at timestamptz) returns text;

-- Compare values that indicator.draw_values drew with what came out when they were computed again (array i is value i): revisions and stored_at (UTC) as drawn; window_starts the first bucket of the window that was read, null where it had fewer candles than its whole length; the rest as for indicator.record_values; computed_by what computed it, in words.
create function indicator.compare_values(indicator_ids int[], buckets timestamptz[], revisions bigint[],
  stored_at timestamptz[], window_starts timestamptz[], outputs text[], verdicts smallint[], strengths real[],
  horizons int[], lows double precision[], highs double precision[], bars int[], computed_by text)
  returns int security definer;
grant execute on function indicator.compare_values to foresight_indicators, foresight_service;

-- Compute an indicator with complete parameters from now on and on all stored candles; returns its id (the existing one's if it is there). is_side_open: nobody asked for this side, the first ticks tell the right one.
create function indicator.define(instrument_id int, timeframe text, side text, is_side_open boolean, kind text,
  params jsonb) returns int;

-- Have a SQL function computed as an indicator kind, live and on all history, by the service sql. function: its name with its schema, of a function (candles indicator.candle[], params jsonb) returns indicator.reading that is immutable; it runs as foresight_sandbox, which can read no table, for a second.
create function indicator.define_sql_kind(kind text, function text, description text, rule text, outputs jsonb,
  bars_required jsonb, parameters jsonb default '[]'::jsonb, bars_window jsonb default null, label text default null,
  definition text default null, closed_only boolean default false, defaults jsonb default '[]'::jsonb,
  with_spread boolean default false) returns void security definer;

-- What follows from a kind and complete parameters: the label, how many candles a value needs at least and at most, and how many numbers it has.
create function indicator.derived(kind text, params jsonb, out label text, out bars_required int, out bars_window int,
  out output_count int) returns record;

-- Delete an indicator with its values, whoever asked for it.
create function indicator.discard(indicator_id int) returns indicator.definitions;

-- Draw up to max_values (1000 at most) stored values of a service at random, to be computed again from the same window and handed to indicator.compare_values: first those that differed once, again_after later.
create function indicator.draw_values(service text, max_values int default 8,
  every interval default '00:00:10'::interval, again_after interval default '00:00:20'::interval)
  returns table(indicator_id int, instrument_id int, timeframe text, side text, kind text, params jsonb,
  bars_required int, bars_window int, bucket timestamptz, revision bigint, computed_at timestamptz) security definer;
grant execute on function indicator.draw_values to foresight_indicators, foresight_service;

-- Delete the values that indicator.retention has given up.
create procedure indicator.drop_values();

-- End the sessions in which indicator.evaluate has run for longer than this, at least two seconds: what a function cannot keep from happening.
create function indicator.end_evaluations(longer_than interval) returns int security definer;
grant execute on function indicator.end_evaluations to foresight_indicators;

-- Run a SQL function that is an indicator kind, in a role that can read no table: for each of these places (from 1 on) of a series of candles, oldest first, on up to bars_window candles that end with it. function, fingerprint and output_count as indicator.sql_kind_functions has them.
create function indicator.evaluate(function text, fingerprint text, params jsonb, output_count int, places int[],
  bars_window int, buckets timestamptz[], opens double precision[], highs double precision[], lows double precision[],
  closes double precision[], averages double precision[], volumes double precision[], tick_counts bigint[],
  spreads double precision[]) returns table(place int, outputs double precision[], verdict int,
  strength double precision, horizon int, low double precision, high double precision, fault text) security definer;
grant execute on function indicator.evaluate to foresight_indicators;

-- The values that these claims asked for could not be computed, detail says why: they are claimed again in 10 seconds, each alone; one that failed three times is set aside in indicator.dead_letters.
create function indicator.fail_pending(work_ids bigint[], detail text) returns int security definer;
grant execute on function indicator.fail_pending to foresight_indicators, foresight_service;

-- Find closed candles of the last 7 days that a service has not computed, and that nothing will tell it of any more, though it has computed what was captured overtaken_by later: keep them in indicator.missed and have them computed.
create function indicator.find_missed(overtaken_by interval default '00:02:00'::interval, max_buckets int default 600)
  returns int security definer;
grant execute on function indicator.find_missed to foresight_upkeep;

-- The values of a claimed stretch of history are stored up to reached_bucket (UTC), which may be before its end: the history goes on after it when it is its turn again, unless it was asked for anew meanwhile.
create function indicator.finish_backfill(work_id bigint, reached_bucket timestamptz) returns void security definer;
grant execute on function indicator.finish_backfill to foresight_indicators, foresight_service;

-- The values that these claims asked for are stored.
create function indicator.finish_pending(work_ids bigint[]) returns int security definer;
grant execute on function indicator.finish_pending to foresight_indicators, foresight_service;

-- Have the spread of a series of mid read, and its service told when it changes, if one of its indicators there reads it, and else not.
create function indicator.follow_spread(service text, instrument_id int, timeframe text) returns void;

-- Make the indicators that a wish asks for, as far as they are not there; of one instrument or one row of its set only, when given.
create function indicator.fulfil(wish_id int, instrument_id int default null, kind text default null,
  params jsonb default null) returns int[];

-- Keep what values of closed candles, that were just stored, say: where it differs from what was said of their bucket last.
create function indicator.keep_verdicts(said indicator.verdicts[]) returns int;

-- What is wrong with the declaration of an indicator kind, in words that name it; null: nothing.
create function indicator.kind_fault(parameters jsonb, columns text[], outputs jsonb, bars_required jsonb,
  bars_window jsonb) returns text;

-- The newest value of each of some indicators, for those to read who show it: outputs and forecast as indicator.latest has them; bucket (UTC) and what belongs to it null, and bars 0, while there is none.
create function indicator.latest_of(indicator_ids int[]) returns table(indicator_id int, bucket timestamptz,
  value double precision, outputs jsonb, verdict smallint, strength real, forecast jsonb, bars int, revision bigint,
  computed_at timestamptz);

-- Go on with claimed candles for this long from now; with 0, give them back to be claimed at once.
create function indicator.lease_pending(work_ids bigint[], lease interval default '00:00:10'::interval)
  returns bigint[] security definer;
grant execute on function indicator.lease_pending to foresight_indicators, foresight_service;

-- The largest of some sums, rounded up: each is an object of parameters and what they are multiplied by, and of "plus", which is added. [{"slow": 1, "plus": 1}, {"fast": 3}] is 91 for slow 26 and fast 30.
create function indicator.longest_sum(sums jsonb, params jsonb) returns int;

-- Mark candles (UTC) of which values (array i is value i) were just stored, where somebody watches them.
create function indicator.mark_changes(indicator_ids int[], buckets timestamptz[]) returns void;

-- The newest value of each of some indicators, of those whose buckets are until_bucket (UTC) or before: a row for each that has one, in no order.
create function indicator.newest_values(indicator_ids int[], until_bucket timestamptz default 'infinity'::timestamptz)
  returns setof indicator."values" security definer;
grant execute on function indicator.newest_values to foresight_publish, foresight_web;

-- When the indicators of a series that have this pace are next computed while a candle forms (UTC): each series has moments of its own.
create function indicator.next_turn(pace interval, instrument_id int, timeframe text) returns timestamptz;

-- The first bucket (UTC) from from_bucket on of which an indicator has a value; null: there is none.
create function indicator.next_value(indicator_id int, from_bucket timestamptz) returns timestamptz;

-- When there are next values to compute for a service (UTC): now if some wait, else when the first lease of a claim ends.
create function indicator.next_work_at(service text) returns timestamptz security definer;
grant execute on function indicator.next_work_at to foresight_indicators, foresight_service;

-- Ask a service that runs on graphile-worker for computation now.
create function indicator.nudge(service text) returns void security definer;
grant execute on function indicator.nudge to foresight_indicators;

-- Forget dead letters of services that did not come again, and candles that were found to be missed, for longer than keep; returns how many.
create function indicator.purge(keep interval default '30 days'::interval) returns int security definer;
grant execute on function indicator.purge to foresight_upkeep;

-- Compute the values of an indicator again from the stored candles, from the bucket that holds from_time (UTC) on.
create function indicator.recompute(indicator_id int, from_time timestamptz default '-infinity'::timestamptz)
  returns void security definer;

-- Store indicator values (array i is value i): bucket in UTC; outputs the numbers that the kind declares, in that order, as text such as {1.5,2}, null while warming up; verdict +1, 0, -1; strength from -1 to 1 with its sign; of a forecast the horizon in bars and its interval from low to high, else null; bars the candles of the window; revision the candle revision that asked; prices, where the candle was closed and its change asked for the value (not history): its close, and the value is kept in indicator.verdicts as it was said; else null.
create function indicator.record_values(indicator_ids int[], buckets timestamptz[], outputs text[],
  verdicts smallint[], strengths real[], horizons int[], lows double precision[], highs double precision[],
  bars int[], revisions bigint[], prices double precision[] default null) returns int security definer;
grant execute on function indicator.record_values to foresight_indicators, foresight_service;

-- Take what a service, or (null) any of them, refused or set aside once more: what is accepted now is computed, what is refused again has a new letter.
create function indicator.redrive(service text default null) returns int security definer;

-- A service says what it can compute, each time it starts. rule: when the verdict is bullish, bearish, neutral, in words. label: text with {parameter} in it. definition: where the formula comes from. parameters: [{"name", "type": "integer" or "number", "min", "max", "default", "less_than": other parameter}, {"name", "type": "choice", "choices": [texts], "default"}]. columns: which of open, high, low, close, average, volume, tick_count, start (left edge of the candle) it reads, and spread (the last ask less the last bid, of mid), which only a series whose indicators declare it has. outputs: [{"name", "unit": "price", "percent", "ratio", "count", "probability" or "basis_points", "pane": "price" or "own", "thresholds": [numbers]}], the first is the value. bars_required: candles that a value needs at least, bars_window (null: the same): from how many it is computed when there are enough; lists of sums of which the largest counts, as [{"slow": 1, "plus": 1}]. closed_only: not of candles that form. defaults: [{"timeframe", "side", "params"}] that every instrument gets, side left out: the one it has; they are taken only the first time, afterwards indicator.wishes is the operator's.
create function indicator.register_kind(service text, kind text, description text, rule text, label text,
  definition text, parameters jsonb, columns text[], outputs jsonb, bars_required jsonb,
  bars_window jsonb default null, closed_only boolean default false, defaults jsonb default '[]'::jsonb)
  returns void security definer;
grant execute on function indicator.register_kind to foresight_indicators, foresight_service;

-- A service says that it is there, each time it starts; then it registers its kinds. queue: the SQS queue on which it is told about candles, foresight-<service> when left out. closed_only: only closed candles. forming_every: at most one state of a candle per this time while it forms.
create function indicator.register_service(service text, queue text default null, description text default '',
  closed_only boolean default null, forming_every interval default null) returns text security definer;
grant execute on function indicator.register_service to foresight_indicators, foresight_service;

-- A wish asks for this indicator no longer: it is deleted with its values unless another does.
create function indicator.release(wish_id int, indicator_id int) returns void;

-- Remove an indicator and its values, whoever asked for it.
create function indicator.remove(indicator_id int) returns boolean security definer;
-- Undo indicator.add with the same arguments: remove what it made, save what something else asks for too. side null: whichever was asked for.
create function indicator.remove(symbol text, timeframe text, kind text, params jsonb default '{}'::jsonb,
  side text default null) returns int security definer;

-- Forget a service with its kinds and its subscription; its queue stays.
create function indicator.remove_service(service text) returns void security definer;

-- Undo indicator.add_set with the same arguments: remove what it made, save what something else asks for too. side null: whichever was asked for.
create function indicator.remove_set(symbol text, timeframe text, set text, side text default null)
  returns int security definer;

-- Forget a kind that is a SQL function; the function stays.
create function indicator.remove_sql_kind(kind text) returns void security definer;

-- Have a service told again about the candles of its indicators, or of one, of which it is not told any more, and compute those anew; returns how many indicators.
create function indicator.repair_subscription(service text, indicator_id int default null) returns int;

-- Keep what a service refused of its queue (array i is refusal i): reasons as in indicator.dead_letters, details say what is wrong in words, bodies are the message, or the candle as JSON.
create function indicator.set_aside(service text, reasons text[], details text[], bodies text[])
  returns int security definer;
grant execute on function indicator.set_aside to foresight_indicators, foresight_service;

-- Compute an indicator at most once per forming_every (up to an hour) for a candle that forms, 0: each time it changes.
create function indicator.set_pace(indicator_id int, forming_every interval) returns void security definer;

-- Give indicators for which no side was asked the one that their instrument has, now that its first ticks tell.
create function indicator.settle_sides() returns int;

-- The side that an instrument's indicators take when none is asked for, by its newest ticks: mid, of an instrument that has trades only last, else the one side there is; null: it has no ticks yet.
create function indicator.side_of(instrument_id int) returns text;

-- Of these kinds those that are SQL functions: the function and its fingerprint, how many outputs it declares, whether it has no value of a candle that forms, and whether it reads the spread.
create function indicator.sql_kind_functions(kinds text[]) returns table(kind text, function text, fingerprint text,
  output_count int, closed_only boolean, with_spread boolean) security definer;
grant execute on function indicator.sql_kind_functions to foresight_indicators;

-- Have the service of an indicator told about its candles, as outbox.subscribe does.
create function indicator.subscribe(indicator_id int) returns void;

-- The name of a service's subscription in outbox.subscriptions.
create function indicator.subscription_of(service text) returns text;
grant execute on function indicator.subscription_of to foresight_publish, foresight_web;

-- After an instrument was removed: forget the work that its candles made.
create function indicator.tg_instruments__forget() returns trigger security definer;

-- An instrument gets the indicators that are wished for all when it is shown for the first time.
create function indicator.tg_instruments__fulfil() returns trigger security definer;

-- When an instrument is removed: remove its indicators with their values and what they said.
create function indicator.tg_removals__forget() returns trigger security definer;

-- A row of a set gets the parameters that were left out.
create function indicator.tg_sets__check() returns trigger security definer;

-- Where a set was added, its indicators follow its rows.
create function indicator.tg_sets__follow() returns trigger security definer;

-- Before a subscription is removed or renamed.
create function indicator.tg_subscriptions__refuse_removal() returns trigger security definer;

-- Before a timeframe is removed: forget the work that its candles made.
create function indicator.tg_timeframes__forget() returns trigger security definer;

-- Keep the values of a new timeframe below one minute for a week, until an operator says otherwise.
create function indicator.tg_timeframes__keep_values() returns trigger security definer;

-- Keep indicator.value_ends when a statement adds values.
create function indicator.tg_values__keep_ends() returns trigger security definer;

-- Refuse UPDATE, DELETE and TRUNCATE of what was said, save what feed.storage has given up.
create function indicator.tg_verdicts__refuse_change() returns trigger;

-- A wish that is deleted takes with it the indicators that no other asks for.
create function indicator.tg_wishes__remove_indicators() returns trigger security definer;

-- Have the service of an indicator that is gone, or was, not told about its candles any more, unless another of its indicators needs them.
create function indicator.unsubscribe(definition indicator.definitions) returns void;

-- The stored values of some indicators at some buckets (UTC): element i of both arrays is one key, which may come twice and is asked once.
create function indicator.values_at(indicator_ids int[], buckets timestamptz[]) returns setof indicator."values";

-- From when on (UTC) values of a timeframe are kept: older ones were given up, as feed.storage or indicator.retention says; -infinity: all are.
create function indicator.values_from(timeframe text) returns timestamptz;

-- Note that a kind with params, or a set, is asked for on a symbol (* all) and timeframe; side null: the one that an instrument has.
create function indicator.wish(symbol text, timeframe text, side text, kind text default null,
  params jsonb default null, set text default null) returns int;

-- Delete the wishes for a kind with complete params, or a set, on a symbol (* all) and timeframe; side null: of any.
create function indicator.withdraw(symbol text, timeframe text, side text, kind text default null,
  params jsonb default null, set text default null) returns int;

-- One rating of many indicators: votes and their weights, ratings, their history.
create schema rating;

-- The newest rating of each symbol, timeframe and side on which the set rating was added, from -1 to +1 and in words, of both groups and the whole; how many votes say what, and how many of all are counted: the others cannot be computed yet. Buckets are in UTC.
create view rating.latest (
  symbol text,
  timeframe text,
  side text,
  bucket timestamptz,
  rating double precision,
  band text,
  moving_averages double precision,
  moving_averages_band text,
  oscillators double precision,
  oscillators_band text,
  buy int,
  neutral int,
  sell int,
  counted int,
  votes int,
  is_closed boolean
);

-- Which candles have a rating: those on which the set rating was added.
create view rating.series (
  instrument_id int,
  timeframe text,
  side text
);

-- The indicators whose verdicts make a rating. Edit it: the set rating in indicator.sets follows, and so do all ratings, older ones too.
create table rating.votes (
  -- The order in which they are shown.
  place int not null generated always as identity,
  vote_group text not null,
  kind text not null,
  -- Those left out get their defaults.
  params jsonb not null,
  -- How much it counts within its group; 0: not at all.
  weight numeric not null default 1,
  constraint votes_pkey primary key (kind, params),
  constraint vote_group_is_moving_averages_or_oscillators check (vote_group = any (array['moving averages',
    'oscillators'])),
  constraint weight_is_from_0_to_1000 check (weight >= 0::numeric and weight <= 1000::numeric)
);
create trigger _100_check before insert or update of kind, params on rating.votes for each row
  execute function rating.tg_votes__check();
create trigger _500_keep_set after insert or delete or update of kind, params on rating.votes for each row
  execute function rating.tg_votes__keep_set();

-- A rating from -1 to +1 in words: strong buy, buy, neutral, sell, strong sell.
create function rating.band(value double precision) returns text;

-- The ratings of closed candles, oldest first, from from_time (null: the last 100 buckets) to before to_time (UTC): of the values as they are now, or, as_said, of what was first said when each candle closed.
create function rating.history(symbol text, timeframe text, side text default null,
  from_time timestamptz default null, to_time timestamptz default 'infinity'::timestamptz,
  as_said boolean default false) returns table(bucket timestamptz, rating double precision, band text,
  moving_averages double precision, oscillators double precision, buy int, neutral int, sell int, counted int,
  votes int) security definer;

-- The rating of the newest bucket (UTC) of each instrument (null: all), timeframe and side on which the set rating was added, as rating.tally gives it, and of how many votes it could be. bucket and rating are null while there are no values.
create function rating.newest(instrument_ids int[] default null) returns table(instrument_id int, timeframe text,
  side text, bucket timestamptz, rating double precision, moving_averages double precision,
  oscillators double precision, buy int, neutral int, sell int, counted int, votes int) security definer;

-- The side of which there is a rating, or the one of these that is given.
create function rating.side_of(symbol text, timeframe text, side text) returns text;

-- The newest ratings of a symbol, the finest timeframe first, and in the last row, without a timeframe, their mean.
create function rating.summary(symbol text) returns table(timeframe text, side text, bucket timestamptz,
  rating double precision, band text, counted int, votes int) security definer;

-- The rating that votes give (array i is vote i; verdict +1, 0, -1, null: it cannot be computed and is left out): each group the mean of its verdicts by their weights, the rating the mean of both groups, or the one group that has votes, all from -1 to +1; and how many say what.
create function rating.tally(vote_groups text[], weights numeric[], verdicts smallint[], out rating double precision,
  out moving_averages double precision, out oscillators double precision, out buy int, out neutral int, out sell int,
  out counted int) returns record;

-- A vote stays that of its indicator when this gets other parameters, as when its kind gets a new one.
create function rating.tg_sets__keep_votes() returns trigger security definer;

-- A vote gets the parameters that were left out.
create function rating.tg_votes__check() returns trigger security definer;

-- What votes is computed where the set rating was added.
create function rating.tg_votes__keep_set() returns trigger security definer;

-- Each vote of a rating: its indicator (null: not computed here), its weight, its verdict and value at a bucket (UTC; null: the newest that any has), and whether it is counted, or why not. side null: the one there is.
create function rating.votes_of(symbol text, timeframe text, side text default null, bucket timestamptz default null)
  returns table(vote_group text, kind text, label text, params jsonb, weight numeric, verdict smallint,
  value double precision, state text, indicator_id int, bucket_of_value timestamptz) security definer;

-- Whether what indicators said was ever any good: forward returns after each verdict, against chance.
create schema track;
grant usage on schema track to foresight_upkeep;

-- Candles with a verdict, counted by what the price did after them: a row per stretch of time of an indicator and horizon. Stretches of a level hold four of the level below; whole numbers, so a correction is added like news. They outlive the values, candles and verdicts that they count.
create table track.blocks (
  -- Begin of the stretch (UTC): sixteen buckets wide at level 0, four times as wide at each further one.
  block timestamptz not null,
  indicator_id int not null,
  -- How many candles later the price was looked at.
  horizon smallint not null,
  level smallint not null,
  -- Candles with a verdict, neutral ones too, that have a closed candle so much later.
  candles smallint not null,
  -- How many of them had a higher close after them; downs a lower one; the rest stood still.
  ups smallint not null,
  downs smallint not null,
  -- How many verdicts said up; bearish down; the rest were neutral.
  bullish smallint not null,
  bearish smallint not null,
  -- How many of those that said up were right.
  bullish_hits smallint not null,
  bearish_hits smallint not null,
  -- Counted is what was said when each candle closed, against the close that was seen then; else the values and closes as they are now.
  as_said boolean not null,
  constraint blocks_pkey primary key (indicator_id, as_said, horizon, level, block),
  constraint blocks_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade
) with (fillfactor=80);

-- What track.blocks add up to, kept by track.score; track.record tells it in words.
create table track.scores (
  indicator_id int not null,
  as_said boolean not null,
  horizon smallint not null,
  candles int not null,
  ups int not null,
  downs int not null,
  bullish int not null,
  bearish int not null,
  hits int not null,
  -- In how many of twenty parts of its time there were directional verdicts.
  parts smallint not null,
  -- Hit rate less base rate, from -1 to 1; absent without a directional verdict.
  edge double precision,
  -- Of the interval at 95 %; absent, with edge_high and p_value, while there is too little to tell.
  edge_low double precision,
  edge_high double precision,
  p_value double precision,
  constraint scores_pkey primary key (indicator_id, as_said, horizon),
  constraint scores_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade
) with (fillfactor=70);

-- How many candles with a verdict there have to be, at least, for an interval to mean what it says at a horizon (in candles).
create function track.candles_needed(horizon int) returns int;

-- Count anew what the price did after the verdicts of indicators on one series of candles, from so many candles before from_bucket as the longest horizon has up to to_bucket (UTC, inclusive): buckets and closes are its candles, oldest first, with those of a block and of the longest horizon before and after; a candle is closed so long after its bucket as closes_after says.
create function track.count_stretch(indicator_ids int[], timeframe text, from_bucket timestamptz,
  to_bucket timestamptz, buckets timestamptz[], closes double precision[], closes_after interval) returns void;

-- An indicator whose values are to be scored next (at a time, UTC): one with history that was not, else one with a value that has waited for ten minutes; null: there is none.
create function track.due_indicator(at timestamptz default clock_timestamp()) returns int security definer;

-- How many candles after a verdict the price is looked at.
create function track.horizons() returns smallint[];

-- Write track.scores of indicators anew from track.blocks: how much more often their directional verdicts came true than the price went that way anyhow, with the interval at 95 % from twenty batches of time with equally many candles.
create function track.judge(indicator_ids int[]) returns void;

-- What track.record tells of all indicators of a timeframe, without words: a row per indicator, basis and horizon of which there is something.
create function track.judged(timeframe text) returns table(indicator_id int, as_said boolean, horizon int,
  candles int, verdicts int, hits int, parts int, hit_rate double precision, base_rate double precision,
  edge_low double precision, edge_high double precision, p_value double precision, adjusted_p_value double precision,
  compared int);

-- How probable a value of Student's t with 19 degrees of freedom as far from 0 as this, or farther, is by chance: from 0 to 1.
create function track.p_value(t double precision) returns double precision;

-- Whether verdicts were any good, of all indicators or (null: any) of one symbol and timeframe: a row per indicator, basis and horizon (candles of its timeframe later). as_said: what was said when each candle closed, before its outcome was known, against the close seen then; else the values as they are now, history too.
create function track.record(of_symbol text default null, of_timeframe text default null) returns table(symbol text,
  timeframe text, label text, side text, indicator_id int, as_said boolean, horizon int, candles int, verdicts int,
  neutral int, hit_rate double precision, base_rate double precision, edge_low double precision,
  edge_high double precision, p_value double precision, adjusted_p_value double precision, compared int,
  words text) security definer;

-- The track record of one indicator, as track.record tells it: each basis and horizon, those too of which there is nothing yet.
create function track.record_of(indicator_id int) returns table(as_said boolean, horizon int, candles int,
  verdicts int, neutral int, hit_rate double precision, base_rate double precision, edge_low double precision,
  edge_high double precision, p_value double precision, adjusted_p_value double precision, compared int,
  words text) security definer;

-- Count the track record of an indicator again from its values, verdicts and candles, as far as they are kept, when upkeep maintains next.
create function track.recount(indicator_id int) returns void security definer;

-- Bring the track record of one series of candles up to date with values that were stored since (indicator.unscored): about so many of them at most.
create function track.score(max_candles int default 50000) returns int security definer;
grant execute on function track.score to foresight_upkeep;

-- How many directional verdicts there have to be, at least, for an interval to mean what it says.
create function track.verdicts_needed() returns int;

-- What a track record says, for people: of so many directional verdicts among so many candles, at a horizon (in candles); parts are how many of twenty parts of the time have such verdicts.
create function track.words(verdicts int, candles int, horizon int, parts int, hit_rate double precision,
  base_rate double precision, p_value double precision, adjusted_p_value double precision) returns text;

-- Who is told when: rules on values, ratings, forecasts and faults, what they saw, and what was told.
create schema alert;
grant usage on schema alert to foresight_publish, foresight_upkeep;

-- What a rule sees at a candle: its state in words (null: there is none), whether it may be acted on, and the numbers behind it.
create type alert.sighting as (bucket timestamptz, state text, is_settled boolean, detail jsonb);

-- The messages, and what became of each: a rule's go out one after the other, in the order of its events.
create table alert.deliveries (
  delivery_id bigint not null generated always as identity,
  event_id uuid not null,
  rule_id int not null,
  queued_at timestamptz not null default clock_timestamp(),
  -- How often it was tried.
  attempts int not null default 0,
  claimed_until timestamptz not null default '-infinity'::timestamptz,
  -- Not tried before (UTC).
  next_try_at timestamptz not null default '-infinity'::timestamptz,
  tried_at timestamptz,
  -- What a webhook answered last; absent: it did not answer.
  http_status int,
  -- Why the last try failed.
  error text,
  delivered_at timestamptz,
  -- When it was given up (UTC): it could not be delivered for as long as alert.settings says.
  gave_up_at timestamptz,
  constraint deliveries_pkey primary key (delivery_id),
  constraint deliveries_event_id_key unique (event_id),
  constraint deliveries_event_id_fkey foreign key (event_id) references alert.events(event_id) on delete cascade,
  constraint deliveries_rule_id_fkey foreign key (rule_id) references alert.rules(rule_id) on delete cascade,
  constraint error_has_at_most_500_characters check (length(error) <= 500)
) with (fillfactor=70);
create index deliveries_by_rule on alert.deliveries (rule_id, delivered_at);
create index deliveries_given_up on alert.deliveries (rule_id, delivery_id) where (gave_up_at is not null);
create index deliveries_to_make on alert.deliveries (rule_id, delivery_id) where ((delivered_at is null)
  and (gave_up_at is null));

-- Each message and what became of it: how often it was tried, what a webhook answered last, why the last try failed, when it is tried again. Times are UTC.
create view alert.delivery_log (
  delivery_id bigint,
  rule_id int,
  name text,
  event_id uuid,
  event text,
  symbol text,
  bucket timestamptz,
  from_state text,
  to_state text,
  refers_to uuid,
  created_at timestamptz,
  target text,
  state text,
  attempts int,
  http_status int,
  error text,
  tried_at timestamptz,
  delivered_at timestamptz,
  next_try_at timestamptz
);

-- What rules saw: a row per transition, and one when a transition is taken back, or a fault is over.
create table alert.events (
  event_id uuid not null default gen_random_uuid(),
  rule_id int not null,
  -- fired: a state was entered; taken back: a change of the candle, or of one before it, says that it was not; over: the faults are gone; test: an example.
  event text not null,
  -- The candle (UTC) at which the state was entered; of a fault when it was seen.
  bucket timestamptz,
  -- How often it was entered at that candle.
  occurrence int not null default 1,
  -- The event that is taken back, or over.
  refers_to uuid,
  from_state text,
  to_state text,
  -- Why it is told nobody: known, it was so when the rule was added or resumed; cooldown, the rule had fired shortly before.
  held_back text,
  -- The message.
  body jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  constraint events_pkey primary key (event_id),
  constraint events_rule_id_bucket_occurrence_event_key unique (rule_id, bucket, occurrence, event),
  constraint events_refers_to_fkey foreign key (refers_to) references alert.events(event_id) on delete set null,
  constraint events_rule_id_fkey foreign key (rule_id) references alert.rules(rule_id) on delete cascade,
  constraint event_is_known check (event = any (array['fired', 'taken back', 'over', 'test'])),
  constraint held_back_is_known check (held_back = any (array['known', 'cooldown']))
);
create index events_by_age on alert.events (rule_id, created_at);
create index events_by_reference on alert.events (refers_to);

-- What is wrong with alerts, in words, and since when (UTC).
create view alert.faults (
  fault text,
  since timestamptz
);

-- The rules: what each is about, where it tells (of a webhook the host alone, as the rest may be a secret), what it told last, and how many messages wait, or were given up, and why. Times are UTC.
create view alert.rule_list (
  rule_id int,
  name text,
  kind text,
  symbol text,
  timeframe text,
  side text,
  indicator text,
  becomes text[],
  output text,
  level double precision,
  fault text,
  closed_only boolean,
  cooldown interval,
  target text,
  is_paused boolean,
  last_event text,
  last_state text,
  last_bucket timestamptz,
  last_event_at timestamptz,
  waiting bigint,
  given_up bigint,
  error text
);

-- What is told, and whom. Added by alert.add; alert.rule_list shows how each stands.
create table alert.rules (
  rule_id int not null generated always as identity,
  name text not null,
  kind text not null,
  instrument_id int,
  timeframe text,
  side text,
  indicator_id int,
  -- The states that are told when they are entered; absent: each that is another than before.
  becomes text[],
  -- Which number of the indicator is compared; absent: its first, of a forecast its interval.
  output text,
  -- What it is compared with; absent: the close of the candle.
  level double precision,
  -- It is about faults that contain this text; absent: about any.
  fault text,
  -- It looks at candles that are over only.
  closed_only boolean not null default false,
  -- After it fired it does not fire again for so long.
  cooldown interval not null default '00:00:00'::interval,
  webhook text,
  queue text,
  is_paused boolean not null default false,
  -- Older candles are not looked at (UTC).
  from_bucket timestamptz,
  -- Of a rule on faults: when they were last looked at (UTC).
  seen_at timestamptz not null default '-infinity'::timestamptz,
  added_at timestamptz not null default now(),
  constraint rules_pkey primary key (rule_id),
  constraint rules_indicator_id_fkey foreign key (indicator_id) references indicator.definitions(indicator_id) on delete cascade,
  constraint rules_instrument_id_fkey foreign key (instrument_id) references feed.instruments(instrument_id) on delete cascade,
  constraint rules_timeframe_fkey foreign key (timeframe) references feed.timeframes(timeframe) on delete cascade,
  constraint cooldown_is_from_zero_to_30_days check (cooldown >= '00:00:00'::interval
    and cooldown <= '30 days'::interval),
  constraint fault_has_1_to_200_characters check (length(fault) >= 1 and length(fault) <= 200),
  constraint fault_rules_alone_are_about_no_candles check (num_nulls(instrument_id, timeframe,
    side) =
case kind
    when 'fault' then 3
    else 0
end),
  constraint kind_is_known check (kind = any (array['verdict', 'value', 'rating', 'forecast', 'fault'])),
  constraint name_is_a_line_of_1_to_80_characters check (name ~ '^[^[:cntrl:]]{1,80}$'),
  constraint queue_is_an_sqs_queue_name check (queue ~ '^[A-Za-z0-9_-]{1,80}$'),
  constraint target_is_a_webhook_or_a_queue check (num_nonnulls(webhook, queue) = 1),
  constraint webhook_is_an_http_url check (length(webhook) <= 2000
    and webhook ~* '^https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?([/?][!-~]*)?$')
);
create index rules_by_indicator on alert.rules (indicator_id);
create index rules_by_series on alert.rules (instrument_id, timeframe, side);
create index rules_on_faults on alert.rules (seen_at) where (kind = 'fault');
create trigger _500_watch after insert or delete or update of is_paused, side, from_bucket on alert.rules
  for each statement execute function alert.tg_rules__watch();

-- The key with which the webhooks of a rule are signed. Read by alert.secret, and by who delivers.
create table alert.secrets (
  rule_id int not null,
  secret text not null,
  constraint secrets_pkey primary key (rule_id),
  constraint secrets_rule_id_fkey foreign key (rule_id) references alert.rules(rule_id) on delete cascade
);

-- One row, which an operator edits.
create table alert.settings (
  is_single boolean not null default true,
  -- So long events and their deliveries are kept.
  retain_for interval not null default '90 days'::interval,
  -- So long a message is tried to be delivered.
  give_up_after interval not null default '1 day'::interval,
  constraint settings_pkey primary key (is_single),
  constraint give_up_after_is_from_a_minute_to_30_days check (give_up_after >= '00:01:00'::interval
    and give_up_after <= '30 days'::interval),
  constraint retain_for_is_from_2_days_to_10_years check (retain_for >= '2 days'::interval
    and retain_for <= '10 years'::interval),
  constraint settings_is_single_check check (is_single),
  constraint what_is_kept_is_kept_until_it_is_given_up check (give_up_after < retain_for)
);

-- Tell a webhook (its URL) or an SQS queue (its name) when something enters a state; returns the rule's id. name: a line for people. kind: verdict of an indicator, becomes bullish, neutral, bearish; value: an output (null: the first) of an indicator against a level, becomes above, at, below; rating: its band, becomes strong buy, buy, neutral, sell, strong sell; forecast: the interval of an indicator that forecasts, or an output of it, against a level (null: the close of the candle), becomes above, inside (an output: at), below; fault: a line of ops.status that contains this text (null: any). becomes null: above and below of what is compared with a number, else any other state than before. symbol, timeframe, indicator (its kind), params, side: as given to indicator.add. closed_only: at candles that are over only. cooldown: after it fired it does not fire again for so long.
create function alert.add(name text, kind text, symbol text default null, timeframe text default null,
  indicator text default null, params jsonb default '{}'::jsonb, side text default null, becomes text[] default null,
  output text default null, level double precision default null, fault text default null,
  closed_only boolean default false, cooldown interval default '00:00:00'::interval, webhook text default null,
  queue text default null) returns int security definer;

-- Whether a rule on faults has not looked for five seconds.
create function alert.are_faults_due() returns boolean security definer;

-- A rule was added or goes on: it looks at candles from the newest one on, and what is so now is known.
create function alert.begin_watch(rule_id int) returns void;

-- The candle next to one (buckets in UTC) of which an indicator (null: any that votes for the rating of these candles) has a value: before it (direction -1) or after it (1).
create function alert.bucket_beside(instrument_id int, timeframe text, side text, indicator_id int,
  bucket timestamptz, direction int) returns timestamptz;

-- Refuse a rule that cannot be, for what it says alone.
create function alert.check_parameters(name text, kind text, symbol text, timeframe text, indicator text,
  params jsonb, side text, becomes text[], output text, level double precision, fault text, closed_only boolean,
  cooldown interval, webhook text, queue text) returns void;

-- Take messages that are to be delivered now, at most one of each rule, for as long as the lease lasts: where each goes, the key that signs it, and its body.
create function alert.claim_deliveries(max_deliveries int default 20, lease interval default '00:00:30'::interval)
  returns table(delivery_id bigint, event_id uuid, rule_id int, webhook text, queue text, secret text,
  body text) security definer;
grant execute on function alert.claim_deliveries to foresight_publish;

-- Look with a rule at a candle (UTC) whose values changed, and at the one after it: note what was entered, and take back what was not. is_known: it was so when the rule began.
create function alert.compare(rule alert.rules, bucket timestamptz, is_known boolean default false) returns int;

-- Look with the rules on faults at what is wrong now: note when it begins, and when it is over.
create function alert.compare_faults(faults text[]) returns int;

-- Look with all rules at candles whose values changed, oldest change first, and note the transitions.
create function alert.detect(max_candles int default 50) returns int security definer;
grant execute on function alert.detect to foresight_publish;

-- Whether a rule looks at values of indicators.
create function alert.is_watching() returns boolean security definer;
grant execute on function alert.is_watching to foresight_publish;

-- Until the end of this transaction no value of these candles is stored.
create function alert.lock_series(instrument_id int, timeframe text, side text) returns void;

-- A message was delivered; http_status: what a webhook answered.
create function alert.mark_delivered(delivery_id bigint, http_status int default null) returns void security definer;
grant execute on function alert.mark_delivered to foresight_publish;

-- A message could not be delivered, error says why: it waits two seconds, doubling to ten minutes, or for as long as the receiver asked for (retry_after), at most an hour.
create function alert.mark_failed(delivery_id bigint, error text, http_status int default null,
  retry_after interval default '00:00:00'::interval) returns timestamptz security definer;
grant execute on function alert.mark_failed to foresight_publish;

-- The message about an event, as docs/alerts.md describes it.
create function alert.message(rule alert.rules, event_id uuid, event text, bucket timestamptz, refers_to uuid,
  from_state text, to_state text, detail jsonb) returns jsonb;

-- When there is next something to do for alerts (UTC): now if changed values wait to be looked at, else when the next message is to be delivered, or faults are to be looked at.
create function alert.next_work_at() returns timestamptz security definer;
grant execute on function alert.next_work_at to foresight_publish;

-- Note what a rule saw (bucket in UTC), with its message, and queue that, unless it is held back. refers_to: the event that is taken back or over. is_known: it was so when the rule began.
create function alert.note_event(rule alert.rules, event text, bucket timestamptz, occurrence int, from_state text,
  to_state text, detail jsonb, refers_to alert.events default null::alert.events, is_known boolean default false)
  returns uuid;

-- Ask for a look with the rules, and for deliveries, now.
create function alert.nudge() returns void security definer;
grant execute on function alert.nudge to foresight_publish;

-- A rule sees nothing and delivers nothing until alert.resume.
create function alert.pause(rule_id int) returns void security definer;

-- Forget events, and what became of their messages, for as long as alert.settings says; returns how many.
create function alert.purge() returns int security definer;
grant execute on function alert.purge to foresight_upkeep;

-- The rating of an instrument, timeframe and side at a bucket (UTC), of how many votes and of how many there could be; how many votes have a value of the bucket before and none of this one; and the lowest and highest revision of the values. rating is null when none votes.
create function alert.rating_at(instrument_id int, timeframe text, side text, bucket timestamptz,
  out rating double precision, out moving_averages double precision, out oscillators double precision,
  out counted int, out votes int, out missing int, out lowest_revision bigint, out highest_revision bigint)
  returns record;

-- Remove a rule with its events and what is not delivered.
create function alert.remove(rule_id int) returns boolean security definer;

-- Another key for the webhooks of a rule, from the next one on; returns it.
create function alert.renew_secret(rule_id int) returns text security definer;

-- A paused rule goes on: what happened meanwhile is not told, what was not delivered is.
create function alert.resume(rule_id int) returns void security definer;

-- Try all messages of a rule now that were not delivered, those too that were given up; returns how many.
create function alert.retry(rule_id int) returns int security definer;

-- A rule by its id.
create function alert.rule(rule_id int) returns alert.rules;

-- The key with which the webhooks of a rule are signed.
create function alert.secret(rule_id int) returns text;

-- The candles and the indicator that a rule is about.
create function alert.series_of(kind text, symbol text, timeframe text, indicator text, params jsonb, side text,
  output text, out instrument_id int, out side_of_rule text, out indicator_id int) returns record;

-- What a rule on an indicator or a rating sees at a candle (bucket in UTC).
create function alert.sight(rule alert.rules, bucket timestamptz) returns alert.sighting;

-- Send the target of a rule an example, of what is so now; alert.delivery_log shows what became of it.
create function alert.test(rule_id int) returns uuid security definer;

-- A rule is about the side that its indicator gets when the first ticks tell which there is.
create function alert.tg_definitions__follow() returns trigger security definer;

-- The candles that rules are about are those of which changed values are marked.
create function alert.tg_rules__watch() returns trigger security definer;

-- A rule on a rating goes with it.
create function alert.tg_wishes__forget() returns trigger security definer;

-- Read functions of the web page, one per part of a screen.
create schema dashboard;
grant usage on schema dashboard to foresight_web;

-- The candles of the last max_candles buckets of a symbol as a JSON array, newest first.
create function dashboard.candles(symbol text, timeframe text, side text default 'mid', max_candles int default 100)
  returns jsonb security definer;
grant execute on function dashboard.candles to foresight_web;

-- Candles, outputs as their kind declares them, and verdicts of an indicator for its chart, oldest first, times in epoch seconds (UTC): the last max_candles buckets, or those from from_time on. forecast: of the newest value, null when it has none.
create function dashboard.chart(indicator_id int, from_time timestamptz default null, max_candles int default 300)
  returns jsonb security definer;
grant execute on function dashboard.chart to foresight_web;

-- How old at a time (UTC) the newest of what comes every so often is: live, stale after 2 intervals without news, dead after 10, absent when there is none.
create function dashboard.freshness(newest_at timestamptz, every interval, at timestamptz) returns text;

-- One indicator as dashboard.indicators_of gives it, with its instrument, parameters, rule and where its formula comes from, who computes it and whether of closed candles only, as JSON; null when there is none.
create function dashboard.indicator(indicator_id int, at timestamptz default now()) returns jsonb security definer;
grant execute on function dashboard.indicator to foresight_web;

-- Per instrument that has indicators: the newest value of each as a JSON array, the finest timeframe first. absence says why one has no verdict, state how old a value is at a time (UTC); is_own, whether it was asked for by itself and not only as one of a set.
create function dashboard.indicators_of(instrument_ids int[], at timestamptz default now())
  returns table(instrument_id int, indicators jsonb) security definer;

-- One instrument with its indicators and ratings, how old they are at a time (UTC), and the timeframes there are, as JSON; null when there is none.
create function dashboard.instrument(symbol text, at timestamptz default now()) returns jsonb security definer;
grant execute on function dashboard.instrument to foresight_web;

-- The rating of a symbol, timeframe and side (null: the one there is) as JSON: all ratings of the instrument as dashboard.ratings_of gives them at a time (UTC), each vote of this one with its value and rule, and the ratings of the last closed candles, newest first; null when there is none.
create function dashboard.rating(symbol text, timeframe text, side text default null, at timestamptz default now())
  returns jsonb security definer;
grant execute on function dashboard.rating to foresight_web;

-- Per instrument that has ratings: the newest of each timeframe and side as a JSON array, the finest timeframe first, with both groups, all in numbers and words, and how many votes say what. state says how old it is at a time (UTC).
create function dashboard.ratings_of(instrument_ids int[], at timestamptz default now())
  returns table(instrument_id int, ratings jsonb) security definer;

-- Candles of a series as JSON, newest first: at most max_candles of those with buckets from from_time to to_time (UTC).
create function dashboard.recent_candles(instrument_id int, timeframe text, side text, from_time timestamptz,
  to_time timestamptz, max_candles int) returns setof jsonb security definer;

-- Everything of the status page as JSON.
create function dashboard.status() returns jsonb security definer;
grant execute on function dashboard.status to foresight_web;

-- The state of everything in one line, for the terminal.
create function dashboard.status_line() returns text security definer;
grant execute on function dashboard.status_line to foresight_web;

-- The ticks of a symbol observed in [from_time, to_time) (UTC) as a JSON array, oldest first, at most max_ticks. seq is text, as an id may be larger than a number of JSON, and null for a tick that came without one; origin says how we have it, see feed.tick_origin.
create function dashboard.ticks(symbol text, from_time timestamptz, to_time timestamptz, max_ticks int default 1000)
  returns jsonb security definer;
grant execute on function dashboard.ticks to foresight_web;

-- Whether the verdicts of an indicator were any good, as JSON: a sentence, which tells the horizons at which there is evidence, or that there is none, or too little to tell; and the rows of track.record_of.
create function dashboard.track_record(indicator_id int) returns jsonb security definer;
grant execute on function dashboard.track_record to foresight_web;

-- Per active instrument with ticks: the price at its first candle of the UTC day of its newest tick (the day begins at opened_at), and the closes of the last 30 quarters of an hour, oldest first, of those that have a tick.
create function dashboard.trends() returns table(instrument_id int, day_open double precision, opened_at timestamptz,
  closes double precision[]) security definer;
grant execute on function dashboard.trends to foresight_web;

-- Every active instrument with its newest tick, its newest quote where that is a trade (bid and ask, quoted_at in UTC and how old that is, see feed.newest_quote), its change since the UTC day of that tick began, its indicators and ratings, as a JSON array by symbol; state says how old the tick is at a time (UTC), where news are expected each interval_seconds, and is_open whether its market is (null: not known). change_percent: null where the day began at a price that is not above zero. price: last of a trade, else mid, else the one side there is. trends: what dashboard.trends() gave a moment ago, as a JSON array; null: read now.
create function dashboard.watchlist(trends jsonb default null, at timestamptz default now())
  returns jsonb security definer;
grant execute on function dashboard.watchlist to foresight_web;

-- The operator's console: status, lag, queues, gaps, repair.
create schema ops;
grant usage on schema ops to foresight_indicators, foresight_ingest, foresight_publish, foresight_upkeep, foresight_web;

-- Candles that a queue refused for good (to queue), and what a service refused of its queue or could not compute (from queue), and why. ops.redrive tries them again, ops.discard_dead_letters forgets them.
create view ops.dead_letters (
  step text,
  dead_letter_id bigint,
  failed_at timestamptz,
  subscription text,
  queue text,
  reason text,
  symbol text,
  timeframe text,
  side text,
  bucket timestamptz,
  revision bigint,
  body text,
  times bigint
);
grant select on ops.dead_letters to foresight_publish, foresight_web;

-- What is wrong with processes, maintenance and stored candles, in words, and since when (UTC; null: never seen).
create view ops.faults (
  fault text,
  since timestamptz
);

-- Times (UTC) of which ticks of an instrument are or may be missing: open, to be repaired (with the next try), impossible to repair, or going on now (not listening, without an end); and those that were filled from the provider's candles only, whose ticks are reconstructed. Closed ones are in feed.gaps with their grade.
create view ops.gaps (
  source text,
  symbol text,
  gap_from timestamptz,
  gap_to timestamptz,
  length interval,
  cause text,
  state text,
  opened_at timestamptz,
  tries int,
  next_try_at timestamptz,
  last_fault text
);
grant select on ops.gaps to foresight_publish, foresight_web;

-- One row: which engine keeps ticks and candles, chosen at the first migration.
create table ops.installation (
  is_single boolean not null default true,
  engine text not null,
  installed_at timestamptz not null default now(),
  constraint installation_pkey primary key (is_single),
  constraint installation_engine_check check (engine = any (array['timescaledb', 'postgres'])),
  constraint installation_is_single_check check (is_single)
);

-- What waits at each step of the data's way, and for how long. From queue to indicator: the candles that were taken from the queue, and how long the oldest of them, or of what is still in the queue and was sent, has waited.
create view ops.lag (
  step text,
  pending bigint,
  seconds double precision
);
grant select on ops.lag to foresight_publish, foresight_web;

-- One row: when maintenance was last begun, by whichever process, and up to where it has come.
create table ops.maintenance (
  is_single boolean not null default true,
  begun_at timestamptz not null default '-infinity'::timestamptz,
  -- ops.drawn_revisions() when the last run that reached its end was begun.
  revisions bigint not null default 0,
  -- A run was begun and not ended, or something had changed since the run before: one more is due.
  is_unfinished boolean not null default true,
  constraint maintenance_pkey primary key (is_single),
  constraint maintenance_is_single_check check (is_single)
);

-- Steps of maintenance that failed when they were last tried; a row goes when its step works again.
create table ops.maintenance_failures (
  step text not null,
  error text not null,
  failed_since timestamptz not null default clock_timestamp(),
  failed_at timestamptz not null default clock_timestamp(),
  constraint maintenance_failures_pkey primary key (step)
);

-- Heartbeat of every running process; worker_ids are the graphile-worker ids it runs jobs under, services those of indicator.services that it computes for.
create table ops.processes (
  process text not null,
  host text not null,
  process_id int not null,
  worker_ids text[] not null default '{}'::text[],
  services text[] not null default '{}'::text[],
  -- How far the clock of its host is ahead of the database's, behind is negative; null: the process does not say, or it could not measure.
  clock_offset interval,
  started_at timestamptz not null default now(),
  seen_at timestamptz not null default now(),
  constraint processes_pkey primary key (process, host, process_id)
) with (fillfactor=50);

-- Every subscription: candles that could be sent now and since when the oldest change of them waits, from the tick on, from where on history is still to be queued, what was sent, and the last error. Times are UTC.
create view ops.queues (
  subscription text,
  queue text,
  closed_only boolean,
  forming_every interval,
  is_paused boolean,
  pending bigint,
  oldest_pending_at timestamptz,
  backfilling_from timestamptz,
  sent_count bigint,
  last_sent_at timestamptz,
  failure_count int,
  last_error text,
  retry_at timestamptz,
  dead_letters bigint
);
grant select on ops.queues to foresight_publish, foresight_web;

-- What ops.reconcile found: a row per day of candles that it compared with the ticks.
create table ops.reconciliations (
  reconciliation_id bigint not null generated always as identity,
  from_time timestamptz not null,
  to_time timestamptz not null,
  finished_at timestamptz not null default clock_timestamp(),
  -- Candles of all timeframes, each with its four sides.
  compared bigint not null,
  -- Candles that were not what the ticks say; samples names the first of them.
  different bigint not null,
  -- How many of them still were not after the repair.
  unrepaired bigint not null,
  samples jsonb not null,
  constraint reconciliations_pkey primary key (reconciliation_id)
);
create index reconciliations_by_time on ops.reconciliations (from_time);

-- Who computes: each service with its indicators, the processes (host and id) that compute for it, what its queue was not sent yet, what it took and did not compute yet and since when, how many histories it computes and when it last got further, and since when it is behind what it was sent. Times are UTC.
create view ops.services (
  service text,
  description text,
  queue text,
  closed_only boolean,
  forming_every interval,
  indicators bigint,
  processes text[],
  seen_at timestamptz,
  is_running boolean,
  to_send bigint,
  pending bigint,
  pending_since timestamptz,
  histories bigint,
  history_since timestamptz,
  behind_since timestamptz
);
grant select on ops.services to foresight_publish, foresight_web;

-- The engine, and whether everything works; faults says in words what does not, notes what passes by itself. Each schema tells its own, in a view faults.
create view ops.status (
  engine text,
  engine_version text,
  postgres_version text,
  installed_at timestamptz,
  started_at timestamptz,
  is_healthy boolean,
  faults text[],
  notes text[]
);
grant select on ops.status to foresight_publish, foresight_web;

-- What the view faults of each schema tells: the fault in words, and since when (UTC; null: not known).
create function ops.all_faults() returns table(fault text, since timestamptz) security definer;
grant execute on function ops.all_faults to foresight_publish, foresight_web;

-- Do what feed.storage and indicator.retention say: compress and drop what is old enough.
create procedure ops.apply_storage();

-- A process says that it is alive, every few seconds; worker_ids are its graphile-worker ids, clock_offset how far the clock of its host is ahead of ours, as far as it knows from the last answer: our clock (UTC) is what is returned.
create function ops.beat(process text, host text default '', process_id int default 0,
  worker_ids text[] default '{}'::text[], clock_offset interval default null) returns timestamptz security definer;
grant execute on function ops.beat to foresight_indicators, foresight_ingest, foresight_publish, foresight_upkeep, foresight_web;

-- Begin a run; returns what ops.end_maintenance wants of it, or null when one was begun less than a minute ago, by whomever.
create function ops.begin_maintenance() returns bigint security definer;
grant execute on function ops.begin_maintenance to foresight_upkeep;

-- The name of a process, if the caller may be that process: it has its role, or the rights of the owner.
create function ops.checked_process(process text) returns text;

-- Compare the stored candles of [from_time, to_time) (UTC, whole days) with the ticks: a row per timeframe with how many candles there are, and instruments and buckets (element i of both) of those that are missing, too many, or other than the ticks say: all four sides exactly, volumes to 1e-9, sums by feed.sum_tolerance.
create function ops.compare_candles(from_time timestamptz, to_time timestamptz) returns table(timeframe text,
  compared bigint, instrument_ids int[], buckets timestamptz[]) security definer;

-- Remove dead letters that failed before a time (UTC) for good, of one subscription, with those of its service, or (null) of all; returns how many.
create function ops.discard_dead_letters(subscription text default null,
  before_time timestamptz default 'infinity'::timestamptz) returns int security definer;

-- How many revisions of marks and candles were drawn: another number says that ticks came, candles were captured or closed, or feed.storage or indicator.retention was edited.
create function ops.drawn_revisions() returns bigint;

-- All steps of a run have worked; revisions is what ops.begin_maintenance returned.
create function ops.end_maintenance(revisions bigint) returns void security definer;
grant execute on function ops.end_maintenance to foresight_upkeep;

-- Whether there is something to maintain (at a time, UTC), at most once a minute: ticks, candles, feed.storage or indicator.retention changed, values wait to be scored, a new day (UTC) began, a process died, or the last run did not reach its end.
create function ops.is_maintenance_due(at timestamptz default now()) returns boolean security definer;
grant execute on function ops.is_maintenance_due to foresight_upkeep;

-- The first migration of this database that a program does not know, of the names that it knows; null: none.
create function ops.newer_migration(known text[]) returns text security definer;
grant execute on function ops.newer_migration to foresight_indicators, foresight_ingest, foresight_publish, foresight_upkeep, foresight_web;

-- When upkeep next has candles to refresh or to store (UTC): now or earlier if late ticks or candles wait, else when the next candle is old enough to be stored.
create function ops.next_upkeep_at() returns timestamptz security definer;
grant execute on function ops.next_upkeep_at to foresight_upkeep;

-- A step of maintenance worked (error null) or failed: ops.status tells of those that fail.
create function ops.note_maintenance(step text, error text default null) returns void security definer;
grant execute on function ops.note_maintenance to foresight_upkeep;

-- Free the jobs of workers that have been silent; returns how many workers were dead.
create function ops.reap_workers(silence interval default '00:00:15'::interval) returns int security definer;
grant execute on function ops.reap_workers to foresight_upkeep;

-- Compute the values of an indicator again from the stored candles, from the bucket that holds from_time (UTC) on.
create function ops.recompute(indicator_id int, from_time timestamptz default '-infinity'::timestamptz)
  returns void security definer;

-- Compare the candles of the days that meet [from_time, to_time) (UTC) with their ticks, in every timeframe; with repair, compute those that differ again and publish them.
create procedure ops.reconcile(from_time timestamptz, to_time timestamptz, repair boolean default true);

-- ops.reconcile for the last whole day (UTC), once, from ten minutes after it on.
create procedure ops.reconcile_yesterday();

-- Try dead letters again, of one subscription or (null) of all: candles that its queue refused are queued with their newest state, and those that a service refused or set aside are taken once more.
create function ops.redrive(subscription text default null) returns int security definer;

-- Send a subscription again every captured candle that ends after from_time (UTC); returns how many were queued.
create function ops.republish(name text, from_time timestamptz default '-infinity'::timestamptz)
  returns int security definer;

-- A process stops in an orderly way: no heartbeat is expected of it any more.
create function ops.say_goodbye(process text, host text, process_id int) returns void security definer;
grant execute on function ops.say_goodbye to foresight_indicators, foresight_ingest, foresight_publish, foresight_upkeep, foresight_web;

-- Let the rules on faults look at what ops.status tells, at most every five seconds.
create function ops.see_faults() returns int security definer;
grant execute on function ops.see_faults to foresight_publish;

-- An edit of storage settings counts as a change, after which maintenance is due.
create function ops.tg_storage__want_maintenance() returns trigger security definer;
