-- A view and no table: a deploy brings a new reason, as it brings the function that gives it.
create or replace view feed.rejection_reasons as
select r.reason, r.description
from (values
  ('conflict', 'another price or size under the key of a stored tick'),
  ('line_too_long', 'a line or message longer than what is read'),
  ('malformed', 'not the form that the source''s messages or lines have'),
  ('no_price', 'none of bid, ask and last has a value'),
  ('not_tradeable', 'the source says that nobody can trade at this price'),
  ('number_malformed', 'a price, size or seq that is not a number'),
  ('older_than_retention', 'observed before what is kept of the ticks (feed.storage)'),
  ('price_not_finite', 'a price without end, or not a number'),
  ('price_not_positive', 'a price of zero or below, of an instrument that has none (feed.instruments.allows_negative)'),
  ('price_too_large', 'a price from 1e15 on, or from -1e15 down: sums would overflow'),
  ('refused_by_database', 'an error of the database named this tick; the detail is its message'),
  ('seq_out_of_range', 'a seq that is not a whole number from 0 to 9223372036854775807'),
  ('size_negative', 'a size below zero'),
  ('size_not_finite', 'a size without end, or not a number'),
  ('size_too_large', 'a size from 1e18 on: sums would overflow'),
  ('symbol_invalid', 'a symbol that no instrument can have'),
  ('time_before_1970', 'observed before 1970'),
  ('time_in_future', 'observed later than our clock allows'),
  ('time_malformed', 'no time, one without a zone, or one that no calendar has'),
  ('unknown_instrument', 'a symbol that is not in feed.instruments'),
  ('wrong_columns', 'a line with more or fewer columns than its file has'),
  ('wrong_source', 'a symbol that belongs to another source'),
  ('wrong_symbol', 'a symbol that was not asked for, or is not that of the file')
) as r(reason, description);

comment on view feed.rejection_reasons is 'Every reason in feed.rejections and feed.rejected_ticks. workers/ingest/rejection.ts has the same list.';
grant select on feed.rejection_reasons to foresight_ingest;
