-- What became of the price after each verdict, in counts that can be added up, and what that says.

create table track.blocks (
  block timestamptz not null,
  indicator_id int not null references indicator.definitions on delete cascade,
  horizon smallint not null,
  level smallint not null,
  candles smallint not null,
  ups smallint not null,
  downs smallint not null,
  bullish smallint not null,
  bearish smallint not null,
  bullish_hits smallint not null,
  bearish_hits smallint not null,
  as_said boolean not null,
  primary key (indicator_id, as_said, horizon, level, block)
) with (fillfactor = 80);
comment on table track.blocks is 'Candles with a verdict, counted by what the price did after them: a row per stretch of time of an indicator and horizon. Stretches of a level hold four of the level below; whole numbers, so a correction is added like news. They outlive the values, candles and verdicts that they count.';
comment on column track.blocks.block is 'Begin of the stretch (UTC): sixteen buckets wide at level 0, four times as wide at each further one.';
comment on column track.blocks.as_said is 'Counted is what was said when each candle closed, against the close that was seen then; else the values and closes as they are now.';
comment on column track.blocks.horizon is 'How many candles later the price was looked at.';
comment on column track.blocks.candles is 'Candles with a verdict, neutral ones too, that have a closed candle so much later.';
comment on column track.blocks.ups is 'How many of them had a higher close after them; downs a lower one; the rest stood still.';
comment on column track.blocks.bullish is 'How many verdicts said up; bearish down; the rest were neutral.';
comment on column track.blocks.bullish_hits is 'How many of those that said up were right.';

create table track.scores (
  indicator_id int not null references indicator.definitions on delete cascade,
  as_said boolean not null,
  horizon smallint not null,
  candles int not null,
  ups int not null,
  downs int not null,
  bullish int not null,
  bearish int not null,
  hits int not null,
  parts smallint not null,
  edge double precision,
  edge_low double precision,
  edge_high double precision,
  p_value double precision,
  primary key (indicator_id, as_said, horizon)
) with (fillfactor = 70);
comment on table track.scores is 'What track.blocks add up to, kept by track.score; track.record tells it in words.';
comment on column track.scores.parts is 'In how many of twenty parts of its time there were directional verdicts.';
comment on column track.scores.edge is 'Hit rate less base rate, from -1 to 1; absent without a directional verdict.';
comment on column track.scores.edge_low is 'Of the interval at 95 %; absent, with edge_high and p_value, while there is too little to tell.';
