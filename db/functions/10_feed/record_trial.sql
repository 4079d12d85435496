create or replace function feed.record_trial(source text, works boolean, outcome text)
returns void
language sql
security definer
set search_path = pg_catalog, pg_temp
as $$
  update feed.polled_sources as p set
    status = case when works then 'works' else 'faulty' end,
    outcome = left(record_trial.outcome, 500),
    told_at = now()
  where p.source = record_trial.source and works is not null
$$;

comment on function feed.record_trial(text, boolean, text) is
  'Write down what came of asking a polled source: whether each instrument was understood, and in words. Its process calls it when that changes.';
grant execute on function feed.record_trial(text, boolean, text) to foresight_ingest;
