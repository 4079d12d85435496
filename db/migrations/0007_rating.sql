-- Which indicators vote. What a rating says follows from them and their values, so none is stored.

create table rating.votes (
  place int generated always as identity,
  vote_group text not null constraint vote_group_is_moving_averages_or_oscillators
    check (vote_group in ('moving averages', 'oscillators')),
  kind text not null,
  params jsonb not null,
  weight numeric not null default 1 constraint weight_is_from_0_to_1000 check (weight between 0 and 1000),
  primary key (kind, params)
);
comment on table rating.votes is 'The indicators whose verdicts make a rating. Edit it: the set rating in indicator.sets follows, and so do all ratings, older ones too.';
comment on column rating.votes.place is 'The order in which they are shown.';
comment on column rating.votes.params is 'Those left out get their defaults.';
comment on column rating.votes.weight is 'How much it counts within its group; 0: not at all.';

insert into rating.votes (vote_group, kind, params) values
  ('moving averages', 'sma', '{"period": 10}'),
  ('moving averages', 'sma', '{"period": 20}'),
  ('moving averages', 'sma', '{"period": 30}'),
  ('moving averages', 'sma', '{"period": 50}'),
  ('moving averages', 'sma', '{"period": 100}'),
  ('moving averages', 'sma', '{"period": 200}'),
  ('moving averages', 'ema', '{"period": 10}'),
  ('moving averages', 'ema', '{"period": 20}'),
  ('moving averages', 'ema', '{"period": 30}'),
  ('moving averages', 'ema', '{"period": 50}'),
  ('moving averages', 'ema', '{"period": 100}'),
  ('moving averages', 'ema', '{"period": 200}'),
  ('moving averages', 'hma', '{"period": 9}'),
  ('moving averages', 'vwma', '{"period": 20}'),
  ('moving averages', 'ichimoku', '{"conversion": 9, "base": 26, "span": 52, "displacement": 26}'),
  ('oscillators', 'rsi', '{"period": 14, "signal": "turn"}'),
  ('oscillators', 'stochastic', '{"period": 14, "k_smoothing": 3, "d_smoothing": 3}'),
  ('oscillators', 'cci', '{"period": 20}'),
  ('oscillators', 'adx', '{"period": 14}'),
  ('oscillators', 'awesome_oscillator', '{"fast": 5, "slow": 34}'),
  ('oscillators', 'momentum', '{"period": 10}'),
  ('oscillators', 'macd', '{"fast": 12, "slow": 26, "signal": 9}'),
  ('oscillators', 'stochastic_rsi', '{"k_smoothing": 3, "d_smoothing": 3, "rsi_period": 14, "stochastic_period": 14, "trend_period": 50}'),
  ('oscillators', 'williams_r', '{"period": 14}'),
  ('oscillators', 'bull_bear_power', '{"period": 13, "trend_period": 50}'),
  ('oscillators', 'ultimate_oscillator', '{"short": 7, "medium": 14, "long": 28}');
insert into indicator.sets (set, kind, params) select 'rating', v.kind, v.params from rating.votes as v;
-- What every instrument gets, as it gets the defaults of kinds. The longest vote needs 200 candles: a day of 5m has them.
insert into indicator.wishes (timeframe, set) values ('5m', 'rating');
