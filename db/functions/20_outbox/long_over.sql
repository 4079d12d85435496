create or replace function outbox.long_over(width interval)
returns interval
language sql
immutable
parallel safe
as $$
  select width * 2 + interval '30 seconds'
$$;

comment on function outbox.long_over(interval) is
  'So long after it began a candle of this width is long over: that one changes then is rare, and told in outbox.late_changes.';
