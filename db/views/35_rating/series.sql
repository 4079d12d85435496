create or replace view rating.series as
select distinct d.instrument_id, d.timeframe, d.side
from indicator.wishes as w
join indicator.granted as g using (wish_id)
join indicator.definitions as d using (indicator_id)
where w.set = 'rating';

comment on view rating.series is 'Which candles have a rating: those on which the set rating was added.';
