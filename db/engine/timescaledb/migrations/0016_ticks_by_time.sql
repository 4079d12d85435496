-- A refresh reads a range of time whosever the ticks are, and the key begins with the instrument: each of
-- them, one every second while ticks come, read the whole day. Ten minutes in a day of 700,000 ticks took
-- 2.8 s, and 0.17 s with this index; in exchange 200,000 ticks were inserted in 0.86 s instead of 0.75.
create index ticks_by_time on feed.ticks (observed_at);
