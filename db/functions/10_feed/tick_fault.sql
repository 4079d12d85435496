-- A table function without a pinned path, so that it is inlined: it is called for every tick of a batch.
-- The reasons are those of feed.rejection_reasons; workers/ingest/tick.ts judges by the same rules in the same order.
create or replace function feed.tick_fault(
  source text, symbol text, instrument_source text, allows_negative boolean, observed_at timestamptz, seq bigint,
  bid double precision, ask double precision, last double precision, size double precision,
  latest timestamptz, oldest timestamptz
)
returns table (reason text, detail text)
language sql
immutable
parallel safe
rows 1
as $$
  select f.reason,
    case f.reason
      when 'symbol_invalid' then 'the symbol is not 1 to 32 of A-Z 0-9 . _ : - beginning with a letter or digit'
      when 'unknown_instrument' then 'the symbol is not in feed.instruments'
      when 'wrong_source' then 'the symbol belongs to the source ' || instrument_source
      when 'time_malformed' then 'observed_at has no value'
      when 'time_before_1970' then 'observed_at is before 1970'
      when 'time_in_future' then 'observed_at is later than our clock allows'
      when 'older_than_retention' then 'observed_at is older than what is kept (feed.storage)'
      when 'seq_out_of_range' then 'seq is below 0'
      when 'no_price' then 'none of bid, ask and last has a value'
      when 'price_not_finite' then 'a price is not a finite number'
      when 'price_not_positive' then 'a price is not above zero'
      when 'price_too_large' then 'a price is not between -1e15 and 1e15'
      when 'size_not_finite' then 'size is not a finite number'
      when 'size_negative' then 'size is below zero'
      when 'size_too_large' then 'size is not below 1e18'
    end as detail
  from (select
    case
      when instrument_source is null and (symbol is null or symbol !~ '^[A-Z0-9][A-Z0-9._:-]{0,31}$') then 'symbol_invalid'
      when instrument_source is null then 'unknown_instrument'
      when instrument_source <> source then 'wrong_source'
      when observed_at is null then 'time_malformed'
      when observed_at < '1970-01-01 00:00:00+00'::timestamptz then 'time_before_1970'
      when observed_at > latest then 'time_in_future'
      when observed_at < oldest then 'older_than_retention'
      when seq < 0 then 'seq_out_of_range'
      when coalesce(bid, ask, last) is null then 'no_price'
      -- NaN is greater than infinity here, and greatest and least ignore what is null.
      when greatest(bid, ask, last) >= 'infinity' or least(bid, ask, last) = '-infinity' then 'price_not_finite'
      when least(bid, ask, last) <= 0 and (not allows_negative or least(bid, ask, last) <= -1e15)
        then case when allows_negative then 'price_too_large' else 'price_not_positive' end
      when greatest(bid, ask, last) >= 1e15 then 'price_too_large'
      when size >= 'infinity' or size = '-infinity' then 'size_not_finite'
      when size < 0 then 'size_negative'
      when size >= 1e18 then 'size_too_large'
    end as reason
  ) as f
$$;

comment on function feed.tick_fault(text, text, text, boolean, timestamptz, bigint, double precision, double precision, double precision, double precision, timestamptz, timestamptz) is
  'Why a tick cannot be stored: a reason of feed.rejection_reasons and a sentence; both are null for a good one. instrument_source: whose the symbol is, null when it is in no instrument; allows_negative: whether it has prices of zero and below. latest and oldest: the newest and the oldest observed_at allowed (UTC). seq: null for a tick without an id.';
