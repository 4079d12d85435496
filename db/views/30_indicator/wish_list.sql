create or replace view indicator.wish_list as
select w.wish_id, coalesce(i.symbol, '*') as symbol, w.timeframe, w.side, w.set, w.kind, w.params,
  (select count(*) from indicator.granted as g where g.wish_id = w.wish_id) as indicators, w.wished_at
from indicator.wishes as w
left join feed.instruments as i using (instrument_id);

comment on view indicator.wish_list is 'What was asked for: by indicator.add a kind, by indicator.add_set a set, on a symbol or on all (*), and how many indicators that is. side is absent where each instrument''s own is taken.';
