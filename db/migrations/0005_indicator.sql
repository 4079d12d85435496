-- Indicators: what exists, what is wanted, what is left to compute, and the values.

create table indicator.services (
  service text primary key constraint service_is_a_short_code check (service ~ '^[a-z][a-z0-9_]{0,39}$'),
  queue text not null unique,
  description text not null default '',
  closed_only boolean not null default false,
  forming_every interval not null default '0',
  at_once_limit int not null default 400 check (at_once_limit >= 0),
  registered_at timestamptz not null default now(),
  refused_count bigint not null default 0,
  checked_at timestamptz not null default '-infinity'
);
comment on table indicator.services is 'Who computes. Each service has its own queue, kinds and work, so that none delays or strikes off another''s.';
comment on column indicator.services.queue is 'The SQS queue on which it is told about candles.';
comment on column indicator.services.closed_only is 'It is told about closed candles only.';
comment on column indicator.services.forming_every is 'At most one state of a candle per this time while it forms; 0: each.';
comment on column indicator.services.at_once_limit is 'So many of its indicators are computed at each change of a candle that forms; those that are added beyond them at most once a second, see indicator.set_pace. Edit it to what the machine can bear.';
comment on column indicator.services.refused_count is 'How many messages and candles it has ever refused or set aside; the newest of them are in indicator.dead_letters.';
comment on column indicator.services.checked_at is 'When values of it were last drawn (UTC) to be computed again, see indicator.draw_values.';

create table indicator.kinds (
  kind text primary key constraint kind_is_a_short_code check (kind ~ '^[a-z][a-z0-9_]{0,39}$'),
  service text not null references indicator.services,
  description text not null,
  rule text not null,
  label text not null,
  definition text not null,
  parameters jsonb not null,
  columns text[] not null,
  outputs jsonb not null,
  bars_required jsonb not null,
  bars_window jsonb not null,
  closed_only boolean not null,
  registered_at timestamptz not null default now()
);
comment on table indicator.kinds is 'Indicators that a service can compute. Services register theirs when they start.';
comment on column indicator.kinds.rule is 'In words: when the verdict is bullish, bearish, neutral.';
comment on column indicator.kinds.parameters is 'Per parameter its type, bounds and default; see indicator.register_kind.';
comment on column indicator.kinds.definition is 'Where the formula comes from.';
comment on column indicator.kinds.columns is 'What of a candle it reads.';
comment on column indicator.kinds.outputs is 'The numbers that a value has, each with name, unit, pane and thresholds; the first is what is called the value.';
comment on column indicator.kinds.bars_required is 'Candles that a value needs at least: a list of sums of parameters times numbers, of which the largest counts; see indicator.longest_sum.';
comment on column indicator.kinds.bars_window is 'Candles that a value is computed from when there are enough, in the same way.';
comment on column indicator.kinds.closed_only is 'It has no value of a candle that forms.';

create table indicator.sql_kinds (
  kind text primary key references indicator.kinds on delete cascade,
  function text not null,
  fingerprint text not null
);
comment on table indicator.sql_kinds is 'Kinds that are SQL functions: see indicator.define_sql_kind.';
comment on column indicator.sql_kinds.function is 'Its name with its schema.';
comment on column indicator.sql_kinds.fingerprint is 'Digest of the function as it was defined: another one is not run, as its values would be of another kind.';

create type indicator.candle as (
  bucket timestamptz, open double precision, high double precision, low double precision, close double precision,
  average double precision, volume double precision, tick_count bigint, spread double precision
);
comment on type indicator.candle is 'What a SQL function that is a kind gets of a candle: its left edge (UTC), and of one side its prices; average is sum / tick_count, volume the sum of trade sizes, null where no tick had one; spread, of mid alone, the last ask less the last bid.';
create type indicator.reading as (
  outputs double precision[], verdict int, strength double precision, horizon int, low double precision, high double precision
);
comment on type indicator.reading is 'What a SQL function that is a kind returns: the numbers that it declares, verdict +1, 0 or -1, strength from -1 to 1 with its sign; of a forecast the horizon in bars and its interval, else null. Without outputs there is no value.';

-- Without a foreign key to the kinds, which services register after this is filled.
create table indicator.sets (
  set text not null constraint set_is_a_short_code check (set ~ '^[a-z][a-z0-9_]{0,39}$'),
  kind text not null,
  params jsonb not null,
  primary key (set, kind, params)
);
comment on table indicator.sets is 'Indicators that are added together, by indicator.add_set. Edit it: where a set was added, its indicators follow.';
comment on column indicator.sets.params is 'Those left out get their defaults.';

create table indicator.wishes (
  wish_id int generated always as identity primary key,
  instrument_id int references feed.instruments on delete cascade,
  timeframe text not null references feed.timeframes,
  side text check (side in ('bid', 'ask', 'mid', 'last')),
  set text,
  kind text references indicator.kinds,
  params jsonb,
  wished_at timestamptz not null default now(),
  constraint wish_is_for_a_set_or_a_kind check (num_nonnulls(set, kind) = 1 and num_nulls(kind, params) in (0, 2)),
  unique nulls not distinct (instrument_id, timeframe, side, set, kind, params)
);
comment on table indicator.wishes is 'What was asked for by indicator.add and indicator.add_set, and the defaults of kinds, which ask for all instruments: see indicator.wish_list. A wish that is deleted takes with it the indicators that no other asks for.';
comment on column indicator.wishes.instrument_id is 'Absent: every instrument that was ever shown, those too that are added later.';
comment on column indicator.wishes.side is 'Absent: the side that an instrument has, see indicator.side_of.';

create table indicator.definitions (
  indicator_id int generated always as identity primary key,
  instrument_id int not null references feed.instruments,
  timeframe text not null references feed.timeframes,
  side text not null check (side in ('bid', 'ask', 'mid', 'last')),
  kind text not null references indicator.kinds,
  service text not null references indicator.services,
  params jsonb not null,
  label text not null,
  bars_required int not null,
  bars_window int not null,
  output_count int not null,
  is_side_open boolean not null default false,
  forming_every interval not null default '0' constraint pace_is_up_to_one_hour check (forming_every between '0' and '1 hour'),
  created_at timestamptz not null default now(),
  unique (instrument_id, timeframe, side, kind, params),
  constraint window_is_from_what_is_required_to_5000_bars check (1 <= bars_required and bars_required <= bars_window and bars_window <= 5000)
);
comment on table indicator.definitions is 'An indicator on one series of candles. Other parameters are another indicator.';
comment on column indicator.definitions.service is 'That of its kind: who computes it.';
comment on column indicator.definitions.bars_required is 'Candles that a value needs at least; with fewer it is warming up.';
comment on column indicator.definitions.bars_window is 'Candles that a value is computed from, if so many exist: its window ends with its bucket. With fewer it is settling.';
comment on column indicator.definitions.output_count is 'How many numbers a value has: as many as its kind declares.';
comment on column indicator.definitions.forming_every is 'At most one value of a candle per this time while it forms; 0: one each time it changes. A closed candle has its value at once. Set by indicator.set_pace.';
comment on column indicator.definitions.is_side_open is 'No side was asked for, and no tick has told yet which one there is: see indicator.settle_sides.';
create index definitions_by_pace on indicator.definitions (instrument_id, timeframe, side, service, forming_every);
create index definitions_with_open_side on indicator.definitions (instrument_id) where is_side_open;

create table indicator.granted (
  wish_id int not null references indicator.wishes on delete cascade,
  indicator_id int not null references indicator.definitions on delete cascade,
  primary key (wish_id, indicator_id)
);
create index granted_by_indicator on indicator.granted (indicator_id);
comment on table indicator.granted is 'Which wish made, or also asks for, which indicator.';

create table indicator.values (
  indicator_id int not null references indicator.definitions on delete cascade,
  bucket timestamptz not null,
  value double precision,
  outputs double precision[],
  verdict smallint constraint verdict_is_bullish_neutral_or_bearish check (verdict in (-1, 0, 1)),
  strength real,
  horizon int,
  low double precision,
  high double precision,
  bars int not null,
  revision bigint not null,
  computed_at timestamptz not null default clock_timestamp(),
  primary key (indicator_id, bucket),
  constraint value_is_the_first_output check (value is not distinct from outputs[1]),
  constraint outputs_are_finite_numbers check (array_position(outputs, null) is null
    and 'infinity' > all (outputs) and '-infinity' < all (outputs)),
  constraint verdict_and_strength_come_with_a_value check (num_nulls(value, verdict, strength) in (0, 3)),
  -- NaN is greater than all numbers in PostgreSQL.
  constraint strength_is_up_to_1_and_has_the_sign_of_the_verdict check (abs(strength) <= 1 and sign(strength) in (0, verdict)),
  constraint forecast_is_an_interval_some_bars_ahead check (num_nulls(horizon, low, high) in (0, 3)
    and horizon > 0 and low > '-infinity' and low <= high and high < 'infinity')
) with (fillfactor = 70);
insert into feed.storage (level, relation, time_column) values ('values', 'indicator.values', 'bucket');

-- Of candles of a second an indicator has 31 million values a year: they go by themselves, others when feed.storage says so.
create table indicator.retention (
  timeframe text primary key references feed.timeframes on delete cascade,
  retain_for interval not null constraint retain_for_is_at_least_two_days check (retain_for >= interval '2 days'),
  floor_at timestamptz not null default '-infinity',
  dropped_to timestamptz not null default '-infinity'
    constraint only_what_is_below_the_floor_is_dropped check (dropped_to <= floor_at)
);
insert into indicator.retention (timeframe, retain_for)
select t.timeframe, interval '7 days' from feed.timeframes as t where t.width < interval '1 minute';
comment on table indicator.retention is 'How long the values of a timeframe are kept, where that is not as long as feed.storage has it for all values. INSERT, UPDATE and DELETE rows as you like; a CALL of ops.apply_storage(), or the next maintenance, does it.';
comment on column indicator.retention.retain_for is 'What is older goes, in whole days (UTC).';
comment on column indicator.retention.floor_at is 'Older (UTC) was given up: values of then are not computed. Never goes back.';
comment on column indicator.retention.dropped_to is 'Older (UTC) is gone.';
comment on table indicator.values is 'One value a candle: a pure function of the window of candles that ends with it.';
comment on column indicator.values.verdict is '+1 bullish, 0 neutral, -1 bearish; absent while warming up.';
comment on column indicator.values.outputs is 'The numbers that its kind declares, in that order; absent while warming up.';
comment on column indicator.values.strength is 'How clear the verdict is, from 0 to 1, with its sign.';
comment on column indicator.values.horizon is 'Of a forecast: so many bars ahead the price lies between low and high.';
comment on column indicator.values.bars is 'Candles of the window that existed; fewer than required means warming up, fewer than the whole window settling.';
comment on column indicator.values.revision is 'The candle revision that asked for this value; a lower one never overwrites it.';

create table indicator.value_ends (
  indicator_id int not null references indicator.definitions on delete cascade,
  bucket timestamptz not null
);
create index on indicator.value_ends (indicator_id, bucket desc);
comment on table indicator.value_ends is 'Behind indicator.newest_values: per indicator the newest bucket (UTC) that ever had a value, and one row more for each writer that was not finished when another came. Written by the trigger of indicator.values: who adds a newer one adds a row and takes those away that it stands for, so that no writer waits for another.';

create table indicator.verdicts (
  indicator_id int not null references indicator.definitions on delete cascade,
  bucket timestamptz not null,
  revision bigint not null,
  said_at timestamptz not null default clock_timestamp(),
  verdict smallint not null,
  strength real not null,
  value double precision not null,
  price double precision not null,
  primary key (indicator_id, bucket, revision)
);
insert into feed.storage (level, relation, time_column, compress_after) values ('verdicts', 'indicator.verdicts', 'bucket', '30 days');
comment on table indicator.verdicts is 'What was said of a candle when it was closed, and again when a later revision said something else. Rows are only added; indicator.values is the newest truth.';
comment on column indicator.verdicts.revision is 'The candle revision that asked for it.';
comment on column indicator.verdicts.said_at is 'When it was stored (UTC, our clock).';
comment on column indicator.verdicts.price is 'Close of the candle that was seen.';

-- Rows are only added and taken away, so that who stores values never waits for who scores them.
create table indicator.unscored (
  unscored_id bigint generated always as identity primary key,
  indicator_id int not null references indicator.definitions on delete cascade,
  from_bucket timestamptz not null,
  to_bucket timestamptz not null,
  candles int not null,
  noted_at timestamptz not null default clock_timestamp()
) with (autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
create index unscored_by_indicator on indicator.unscored (indicator_id, unscored_id);
create index unscored_histories on indicator.unscored (unscored_id) where candles >= 16;
comment on table indicator.unscored is 'Closed candles whose values were stored, again or for the first time, and were not scored since: a stretch of an indicator per row, as often as it was stored. Written by indicator.record_values.';
comment on column indicator.unscored.to_bucket is 'The last bucket (UTC), inclusive.';
comment on column indicator.unscored.candles is 'How many values were stored.';
comment on column indicator.unscored.noted_at is 'Since when it waits (UTC, our clock).';

create sequence indicator.work_id;
comment on sequence indicator.work_id is 'Names a piece of work until it is done. One that is asked for again while somebody has it in hand gets another, so that nobody strikes off what was not done.';

-- Without a foreign key to the service, which would be looked up per candle: indicator.accept_candles does it per message.
create table indicator.pending (
  service text not null,
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  forming_every interval not null default '0',
  revision bigint not null,
  leased_until timestamptz not null default '-infinity',
  accepted_at timestamptz not null default clock_timestamp(),
  work_id bigint not null unique default nextval('indicator.work_id'),
  failure_count int not null default 0,
  primary key (service, instrument_id, timeframe, side, bucket, forming_every)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_scale_factor = 0);
-- The newest changed candles are computed first, of equal ones those that wait longest.
create index pending_by_bucket on indicator.pending (service, bucket desc, work_id);
comment on table indicator.pending is 'Changed candles whose indicators a service did not compute since: a row for each pace of these.';
comment on column indicator.pending.forming_every is 'The pace of the indicators that are to be computed.';
comment on column indicator.pending.work_id is 'Drawn anew each time its candle changes, save while it waits for its turn, as then nobody has it in hand.';
comment on column indicator.pending.failure_count is 'How often it could not be computed since it changed: such a one is claimed alone, and set aside the third time.';
comment on column indicator.pending.leased_until is 'Until then somebody computes it, who renews the lease if he takes longer; or it waits for its pace.';
comment on column indicator.pending.accepted_at is 'Since when (UTC) its change waits to be computed: since it was taken from the queue, or since it changed again while it was being computed; with a pace, since its turn, which may lie ahead.';

create table indicator.dead_letters (
  dead_letter_id bigint generated always as identity primary key,
  service text not null references indicator.services on delete cascade,
  reason text not null constraint reason_is_known check (reason in
    ('not_a_message', 'not_a_candle', 'revision_not_drawn', 'in_future', 'before_history', 'unaligned', 'not_storable', 'not_computed')),
  detail text not null constraint detail_has_at_most_500_characters check (length(detail) <= 500),
  body text not null constraint body_has_at_most_65536_characters check (length(body) <= 65536),
  times bigint not null default 1,
  first_failed_at timestamptz not null default clock_timestamp(),
  failed_at timestamptz not null default clock_timestamp()
);
create unique index dead_letters_by_body on indicator.dead_letters (service, reason, md5(body));
create index dead_letters_by_age on indicator.dead_letters (service, reason, failed_at);
comment on table indicator.dead_letters is 'What a service refused of its queue or set aside, and why: the newest 500 of each service and reason. Written by indicator.set_aside.';
comment on column indicator.dead_letters.reason is 'not_a_message, not_a_candle: the body is none; revision_not_drawn: no candle ever had this revision; in_future, before_history, unaligned: there is no candle of this bucket; not_storable: the database cannot take it; not_computed: its values failed several times.';
comment on column indicator.dead_letters.body is 'The message, or the candle that it named, as JSON; cut off when it was longer than 65,536 characters.';
comment on column indicator.dead_letters.times is 'How often the same came.';

create table indicator.backfills (
  indicator_id int primary key references indicator.definitions on delete cascade,
  service text not null references indicator.services,
  next_bucket timestamptz not null,
  revision bigint not null,
  work_id bigint not null unique default nextval('indicator.work_id'),
  is_newest_due boolean not null default false,
  requested_at timestamptz not null default clock_timestamp(),
  progressed_at timestamptz not null default clock_timestamp(),
  leased_until timestamptz not null default '-infinity'
) with (fillfactor = 50);
create index backfills_by_turn on indicator.backfills (service, is_newest_due desc, progressed_at);
comment on table indicator.backfills is 'Indicators whose history is being computed, and from which bucket it goes on.';
comment on column indicator.backfills.revision is '0 fills only what no candle revision asked for; a drawn revision overwrites older values.';
comment on column indicator.backfills.work_id is 'Drawn anew each time the history is asked for.';
comment on column indicator.backfills.is_newest_due is 'Its newest closed candle goes before all history, once: no message will tell of that one.';
comment on column indicator.backfills.progressed_at is 'When its last stretch was stored: the one that waits longest is next.';

create table indicator.missed (
  service text not null references indicator.services on delete cascade,
  instrument_id int not null references feed.instruments on delete cascade,
  timeframe text not null references feed.timeframes on delete cascade,
  side text not null,
  bucket timestamptz not null,
  revision bigint not null,
  captured_at timestamptz not null,
  found_at timestamptz not null default clock_timestamp(),
  primary key (service, instrument_id, timeframe, side, bucket)
);
create index missed_by_age on indicator.missed (found_at);
comment on table indicator.missed is 'Closed candles that a service did not hear of though it did of later ones: its queue lost them. They were given to it when they were found. Written by indicator.find_missed.';
comment on column indicator.missed.captured_at is 'When the change was captured (UTC), and so queued to be sent.';

create table indicator.watched (
  instrument_id int not null references feed.instruments on delete cascade,
  timeframe text not null references feed.timeframes on delete cascade,
  side text not null,
  from_bucket timestamptz not null,
  primary key (instrument_id, timeframe, side)
);
comment on table indicator.watched is 'Candles whose indicators somebody watches: each change of their values is marked in indicator.marks. Written by who watches.';
comment on column indicator.watched.from_bucket is 'Older ones (UTC) are watched by nobody, so a history that is computed anew marks nothing.';

create sequence indicator.mark_generation;
comment on sequence indicator.mark_generation is 'The generation that new marks belong to; who takes marks begins the next one.';

-- Who stores a value never waits for who takes the mark of it: that one has begun a new generation before.
create table indicator.marks (
  instrument_id int not null,
  timeframe text not null,
  side text not null,
  bucket timestamptz not null,
  generation bigint not null,
  marked_at timestamptz not null default clock_timestamp(),
  primary key (instrument_id, timeframe, side, bucket, generation)
) with (fillfactor = 50, autovacuum_vacuum_threshold = 200, autovacuum_vacuum_scale_factor = 0);
create index marks_by_age on indicator.marks (marked_at);
comment on table indicator.marks is 'Watched candles with a value that changed and was not looked at since, however often it changed.';
comment on column indicator.marks.generation is 'Value of indicator.mark_generation when the value was stored.';
comment on column indicator.marks.marked_at is 'Since when (UTC) it waits to be looked at.';

create table indicator.differences (
  indicator_id int not null references indicator.definitions on delete cascade,
  bucket timestamptz not null,
  revision bigint not null,
  stored_at timestamptz not null,
  params jsonb not null,
  stored jsonb not null,
  computed jsonb not null,
  computed_by text not null constraint computed_by_has_at_most_200_characters check (length(computed_by) <= 200),
  found_at timestamptz not null default clock_timestamp(),
  looked_at timestamptz not null default clock_timestamp(),
  confirmed_at timestamptz,
  primary key (indicator_id, bucket)
);
create index differences_by_age on indicator.differences (found_at);
comment on table indicator.differences is 'Stored values that came out otherwise when they were computed again from the same candles: the newest 1000. Written by indicator.compare_values. One counts as long as its value stays as it is.';
comment on column indicator.differences.revision is 'Of the value that was stored.';
comment on column indicator.differences.stored_at is 'When that value was computed (UTC): computed_at of indicator.values.';
comment on column indicator.differences.stored is 'Its outputs, verdict, strength, forecast and bars.';
comment on column indicator.differences.computed is 'The same of the value that came out.';
comment on column indicator.differences.computed_by is 'What computed it again, and in which version.';
comment on column indicator.differences.confirmed_at is 'When it differed again (UTC), some time after it was found; null: it was seen once, and is told by nobody.';
