create or replace function alert.add(
  name text, kind text,
  symbol text default null, timeframe text default null, indicator text default null, params jsonb default '{}', side text default null,
  becomes text[] default null, output text default null, level double precision default null, fault text default null,
  closed_only boolean default false, cooldown interval default '0', webhook text default null, queue text default null
)
returns int
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  rule_instrument_id int;
  rule_side text;
  rule_indicator_id int;
  added_id int;
begin
  perform alert.check_parameters(
    add.name, add.kind, add.symbol, add.timeframe, add.indicator, add.params, add.side, add.becomes, add.output, add.level,
    add.fault, add.closed_only, add.cooldown, add.webhook, add.queue);
  if add.kind <> 'fault' then
    select s.instrument_id, s.side_of_rule, s.indicator_id into rule_instrument_id, rule_side, rule_indicator_id
    from alert.series_of(add.kind, add.symbol, add.timeframe, add.indicator, add.params, add.side, add.output) as s;
    perform alert.lock_series(rule_instrument_id, add.timeframe, rule_side);
  end if;
  insert into alert.rules (name, kind, instrument_id, timeframe, side, indicator_id, becomes, output, level, fault,
    closed_only, cooldown, webhook, queue)
  values (add.name, add.kind, rule_instrument_id, add.timeframe, rule_side, rule_indicator_id,
    coalesce(add.becomes, case when add.kind = 'value' or add.kind = 'forecast' and add.output is not null then '{above,below}'::text[] end),
    add.output, add.level, add.fault, add.closed_only, add.cooldown, add.webhook, add.queue)
  returning rule_id into added_id;
  insert into alert.secrets (rule_id, secret)
  values (added_id, replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''));
  perform alert.begin_watch(added_id);
  return added_id;
end
$$;

comment on function alert.add(text, text, text, text, text, jsonb, text, text[], text, double precision, text, boolean, interval, text, text) is
  'Tell a webhook (its URL) or an SQS queue (its name) when something enters a state; returns the rule''s id. name: a line for people. kind: verdict of an indicator, becomes bullish, neutral, bearish; value: an output (null: the first) of an indicator against a level, becomes above, at, below; rating: its band, becomes strong buy, buy, neutral, sell, strong sell; forecast: the interval of an indicator that forecasts, or an output of it, against a level (null: the close of the candle), becomes above, inside (an output: at), below; fault: a line of ops.status that contains this text (null: any). becomes null: above and below of what is compared with a number, else any other state than before. symbol, timeframe, indicator (its kind), params, side: as given to indicator.add. closed_only: at candles that are over only. cooldown: after it fired it does not fire again for so long. Errors: ALERT a parameter that is missing, or not allowed, or without meaning for this kind; NOINS, NOTFR, NOSID, NOKIN, PARAM, NOIND, NORAT.';
