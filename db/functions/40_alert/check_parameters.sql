create or replace function alert.check_parameters(
  name text, kind text, symbol text, timeframe text, indicator text, params jsonb, side text,
  becomes text[], output text, level double precision, fault text, closed_only boolean, cooldown interval, webhook text, queue text
)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
  kinds text[] := '{verdict,value,rating,forecast,fault}';
  states text[] := case kind
    when 'verdict' then '{bullish,neutral,bearish}'
    when 'value' then '{above,at,below}'
    when 'rating' then '{strong buy,buy,neutral,sell,strong sell}'
    when 'forecast' then case when output is null then '{above,inside,below}' else '{above,at,below}' end
  end;
  given text[] := array_remove(array[
    case when symbol is not null then 'symbol' end, case when timeframe is not null then 'timeframe' end,
    case when indicator is not null then 'indicator' end, case when coalesce(params, 'null') not in ('{}', 'null') then 'params' end,
    case when side is not null then 'side' end, case when becomes is not null then 'becomes' end,
    case when output is not null then 'output' end, case when level is not null then 'level' end,
    case when fault is not null then 'fault' end, case when closed_only then 'closed_only' end], null);
  needed text[] := case kind
    when 'verdict' then '{symbol,timeframe,indicator}'
    when 'value' then '{symbol,timeframe,indicator,level}'
    when 'rating' then '{symbol,timeframe}'
    when 'forecast' then '{symbol,timeframe,indicator}'
    else '{}'
  end;
  allowed text[] := needed || case kind
    when 'verdict' then '{params,side,becomes,closed_only}'
    when 'value' then '{params,side,becomes,output,closed_only}'
    when 'rating' then '{side,becomes,closed_only}'
    when 'forecast' then '{params,side,becomes,output,level,closed_only}'
    else '{fault}'
  end::text[];
  wrong text;
  problem text;
begin
  if kind is null or kind <> all (kinds) then
    raise exception 'kind must be one of %, not %', array_to_string(kinds, ', '), coalesce(quote_literal(left(kind, 80)), 'null')
      using errcode = 'ALERT';
  end if;
  select p.name into wrong from unnest(needed) as p(name) where p.name <> all (given) limit 1;
  if wrong is not null then
    raise exception 'a rule on a % needs %', kind, wrong using errcode = 'ALERT',
      hint = 'It needs ' || array_to_string(needed, ', ') || '.';
  end if;
  select p.name into wrong from unnest(given) as p(name) where p.name <> all (allowed) limit 1;
  if wrong is not null then
    raise exception 'a rule on a % takes no %', kind, wrong using errcode = 'ALERT',
      hint = 'It takes ' || array_to_string(allowed, ', ') || ', and each rule name, cooldown, and webhook or queue.';
  end if;
  select left(s.state, 80) into wrong from unnest(becomes) as s(state) where s.state is null or s.state <> all (states) limit 1;
  if found or cardinality(becomes) not between 1 and 5 then
    raise exception 'becomes must be some of %, not %', array_to_string(states, ', '),
      case when found then coalesce(quote_literal(wrong), 'null') else cardinality(becomes) || ' of them' end
      using errcode = 'ALERT';
  end if;
  problem := case
    when name is null or name !~ '^[^[:cntrl:]]{1,80}$' then 'name must be a line of 1 to 80 characters'
    when closed_only is null then 'closed_only must be true or false, not null'
    when cooldown is null or cooldown not between interval '0' and interval '30 days'
      then format('cooldown must be from 0 to 30 days, not %s', coalesce(cooldown::text, 'null'))
    when level in ('NaN', 'infinity', '-infinity') then format('level must be a number, not %s', level)
    when length(fault) not between 1 and 200 then 'fault must have 1 to 200 characters, or be left out for any'
    when num_nonnulls(webhook, queue) <> 1 then 'either webhook or queue must say where it is told'
    when queue !~ '^[A-Za-z0-9_-]{1,80}$' then 'queue must be the name of an SQS queue: 1 to 80 letters, digits, - and _'
    when length(webhook) > 2000 or webhook !~* '^https?://([a-z0-9._-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?([/?][!-~]*)?$'
      then 'webhook must be a URL that begins with https:// or http://, of at most 2000 characters of ASCII, without a user and password'
  end;
  if problem is not null then
    raise exception '%', problem using errcode = 'ALERT';
  end if;
end
$$;

comment on function alert.check_parameters(text, text, text, text, text, jsonb, text, text[], text, double precision, text, boolean, interval, text, text) is
  'Refuse a rule that cannot be, for what it says alone. Error ALERT names the parameter and what is allowed.';
