-- A table function without a pinned path, so that it is inlined: it is called for every tick of a batch.
create or replace function feed.tick_fault(
  source text, instrument_source text, observed_at timestamptz, seq bigint,
  bid double precision, ask double precision, last double precision, size double precision,
  latest timestamptz, oldest timestamptz
)
returns table (reason text, detail text)
language sql
immutable
parallel safe
rows 1
as $$
  select f.reason, f.detail
  from (select
    case
      when instrument_source is null then 'unknown_instrument'
      when instrument_source <> source then 'wrong_source'
      when observed_at is null or observed_at < '1970-01-01 00:00:00+00'::timestamptz then 'time_out_of_range'
      when observed_at > latest then 'time_in_future'
      when observed_at < oldest then 'older_than_retention'
      when seq is null or seq < 0 or seq > 8796093022207 then 'seq_out_of_range'
      when coalesce(bid, ask, last) is null then 'no_price'
      when not (coalesce(bid, 1) > 0 and coalesce(bid, 1) < 'infinity'
        and coalesce(ask, 1) > 0 and coalesce(ask, 1) < 'infinity'
        and coalesce(last, 1) > 0 and coalesce(last, 1) < 'infinity') then 'price_not_positive'
      when not (coalesce(size, 0) >= 0 and coalesce(size, 0) < 'infinity') then 'size_negative'
      when greatest(bid, ask, last) >= 1e15 then 'price_too_large'
      when size >= 1e18 then 'size_too_large'
    end as reason,
    case
      when instrument_source is null then 'the symbol is not in feed.instruments'
      when instrument_source <> source then 'the symbol belongs to the source ' || instrument_source
      when observed_at is null or observed_at < '1970-01-01 00:00:00+00'::timestamptz then 'observed_at must be a time from 1970 on'
      when observed_at > latest then 'observed_at is later than our clock allows'
      when observed_at < oldest then 'observed_at is older than what is kept (feed.storage)'
      when seq is null or seq < 0 or seq > 8796093022207 then 'seq must be from 0 to 8796093022207'
      when coalesce(bid, ask, last) is null then 'a tick needs a bid, an ask or a last price'
      when not (coalesce(size, 0) >= 0 and coalesce(size, 0) < 'infinity') then 'size must be finite and not negative'
      when greatest(bid, ask, last) >= 1e15 and greatest(bid, ask, last) < 'infinity' then 'a price must be less than 1e15'
      when size >= 1e18 then 'size must be less than 1e18'
      else 'a price must be finite and greater than 0'
    end as detail
  ) as f
$$;

comment on function feed.tick_fault(text, text, timestamptz, bigint, double precision, double precision, double precision, double precision, timestamptz, timestamptz) is
  'Why a tick cannot be stored: a reason code and a sentence; reason is null for a good one. latest and oldest: the newest and the oldest observed_at allowed (UTC).';
