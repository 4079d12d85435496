create or replace procedure feed.compress_level(level text, before_time timestamptz)
language plpgsql
as $$
begin
  -- Nothing to do: plain PostgreSQL has no columnstore.
end
$$;

comment on procedure feed.compress_level(text, timestamptz) is
  'Compress what is older than a time (UTC) of a level of feed.storage. Plain PostgreSQL: nothing.';
