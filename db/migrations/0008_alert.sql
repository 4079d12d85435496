-- Alerts: rules, what they saw, what has to be told.

create table alert.settings (
  is_single boolean primary key default true check (is_single),
  retain_for interval not null default '90 days'
    constraint retain_for_is_from_2_days_to_10_years check (retain_for between interval '2 days' and interval '10 years'),
  give_up_after interval not null default '1 day'
    constraint give_up_after_is_from_a_minute_to_30_days check (give_up_after between interval '1 minute' and interval '30 days'),
  constraint what_is_kept_is_kept_until_it_is_given_up check (give_up_after < retain_for)
);
comment on table alert.settings is 'One row, which an operator edits.';
comment on column alert.settings.retain_for is 'So long events and their deliveries are kept.';
comment on column alert.settings.give_up_after is 'So long a message is tried to be delivered.';
insert into alert.settings default values;

create table alert.rules (
  rule_id int generated always as identity primary key,
  name text not null constraint name_is_a_line_of_1_to_80_characters check (name ~ '^[^[:cntrl:]]{1,80}$'),
  kind text not null constraint kind_is_known check (kind in ('verdict', 'value', 'rating', 'forecast', 'fault')),
  instrument_id int references feed.instruments on delete cascade,
  timeframe text references feed.timeframes on delete cascade,
  side text,
  indicator_id int references indicator.definitions on delete cascade,
  becomes text[],
  output text,
  level double precision,
  fault text constraint fault_has_1_to_200_characters check (length(fault) between 1 and 200),
  closed_only boolean not null default false,
  cooldown interval not null default '0'
    constraint cooldown_is_from_zero_to_30_days check (cooldown between interval '0' and interval '30 days'),
  webhook text constraint webhook_is_an_http_url check (
    length(webhook) <= 2000 and webhook ~* '^https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?([/?][!-~]*)?$'),
  queue text constraint queue_is_an_sqs_queue_name check (queue ~ '^[A-Za-z0-9_-]{1,80}$'),
  is_paused boolean not null default false,
  from_bucket timestamptz,
  seen_at timestamptz not null default '-infinity',
  added_at timestamptz not null default now(),
  constraint target_is_a_webhook_or_a_queue check (num_nonnulls(webhook, queue) = 1),
  constraint fault_rules_alone_are_about_no_candles check (
    num_nulls(instrument_id, timeframe, side) = case kind when 'fault' then 3 else 0 end)
);
create index rules_by_series on alert.rules (instrument_id, timeframe, side);
create index rules_by_indicator on alert.rules (indicator_id);
create index rules_on_faults on alert.rules (seen_at) where kind = 'fault';
comment on table alert.rules is 'What is told, and whom. Added by alert.add; alert.rule_list shows how each stands.';
comment on column alert.rules.becomes is 'The states that are told when they are entered; absent: each that is another than before.';
comment on column alert.rules.output is 'Which number of the indicator is compared; absent: its first, of a forecast its interval.';
comment on column alert.rules.level is 'What it is compared with; absent: the close of the candle.';
comment on column alert.rules.fault is 'It is about faults that contain this text; absent: about any.';
comment on column alert.rules.closed_only is 'It looks at candles that are over only.';
comment on column alert.rules.cooldown is 'After it fired it does not fire again for so long.';
comment on column alert.rules.from_bucket is 'Older candles are not looked at (UTC).';
comment on column alert.rules.seen_at is 'Of a rule on faults: when they were last looked at (UTC).';

-- Apart from the rules, so that nobody reads them who looks at those.
create table alert.secrets (
  rule_id int primary key references alert.rules on delete cascade,
  secret text not null
);
comment on table alert.secrets is 'The key with which the webhooks of a rule are signed. Read by alert.secret, and by who delivers.';

create table alert.events (
  event_id uuid primary key default gen_random_uuid(),
  rule_id int not null references alert.rules on delete cascade,
  event text not null constraint event_is_known check (event in ('fired', 'taken back', 'over', 'test')),
  bucket timestamptz,
  occurrence int not null default 1,
  refers_to uuid references alert.events on delete set null,
  from_state text,
  to_state text,
  held_back text constraint held_back_is_known check (held_back in ('known', 'cooldown')),
  body jsonb not null,
  created_at timestamptz not null default clock_timestamp(),
  -- A test has no bucket.
  unique (rule_id, bucket, occurrence, event)
);
create index events_by_age on alert.events (rule_id, created_at);
create index events_by_reference on alert.events (refers_to);
comment on table alert.events is 'What rules saw: a row per transition, and one when a transition is taken back, or a fault is over.';
comment on column alert.events.event is 'fired: a state was entered; taken back: a change of the candle, or of one before it, says that it was not; over: the faults are gone; test: an example.';
comment on column alert.events.bucket is 'The candle (UTC) at which the state was entered; of a fault when it was seen.';
comment on column alert.events.occurrence is 'How often it was entered at that candle.';
comment on column alert.events.refers_to is 'The event that is taken back, or over.';
comment on column alert.events.held_back is 'Why it is told nobody: known, it was so when the rule was added or resumed; cooldown, the rule had fired shortly before.';
comment on column alert.events.body is 'The message.';

create table alert.deliveries (
  delivery_id bigint generated always as identity primary key,
  event_id uuid not null unique references alert.events on delete cascade,
  rule_id int not null references alert.rules on delete cascade,
  queued_at timestamptz not null default clock_timestamp(),
  attempts int not null default 0,
  claimed_until timestamptz not null default '-infinity',
  next_try_at timestamptz not null default '-infinity',
  tried_at timestamptz,
  http_status int,
  error text constraint error_has_at_most_500_characters check (length(error) <= 500),
  delivered_at timestamptz,
  gave_up_at timestamptz
) with (fillfactor = 70);
create index deliveries_to_make on alert.deliveries (rule_id, delivery_id) where delivered_at is null and gave_up_at is null;
create index deliveries_given_up on alert.deliveries (rule_id, delivery_id) where gave_up_at is not null;
create index deliveries_by_rule on alert.deliveries (rule_id, delivered_at);
comment on table alert.deliveries is 'The messages, and what became of each: a rule''s go out one after the other, in the order of its events.';
comment on column alert.deliveries.attempts is 'How often it was tried.';
comment on column alert.deliveries.next_try_at is 'Not tried before (UTC).';
comment on column alert.deliveries.http_status is 'What a webhook answered last; absent: it did not answer.';
comment on column alert.deliveries.error is 'Why the last try failed.';
comment on column alert.deliveries.gave_up_at is 'When it was given up (UTC): it could not be delivered for as long as alert.settings says.';

create type alert.sighting as (bucket timestamptz, state text, is_settled boolean, detail jsonb);
comment on type alert.sighting is 'What a rule sees at a candle: its state in words (null: there is none), whether it may be acted on, and the numbers behind it.';
