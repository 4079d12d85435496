-- A fault has to show within fifteen seconds of what it is about, at the next look of who asks each second.
create or replace view feed.fault_limits as
select interval '14 seconds' as silence, interval '12 seconds' as wait,
  interval '30 seconds' as refusals, interval '10 seconds' as acceptance, interval '1 minute' as clock_error,
  interval '5 seconds' as clock_skew, interval '10 minutes' as removal, interval '10 minutes' as loss;

comment on view feed.fault_limits is 'One row: how long what may last before a faults view of any schema tells it. Change it here and nowhere else.';
comment on column feed.fault_limits.silence is 'A process or a source that gave no sign of life for longer is down.';
comment on column feed.fault_limits.wait is 'What waits longer to be captured, closed, sent or computed is stuck.';
comment on column feed.fault_limits.refusals is 'Ticks of the future that were refused within this time count.';
comment on column feed.fault_limits.acceptance is 'Unless a tick of the same source was stored within this time.';
comment on column feed.fault_limits.clock_error is 'Candles stored further ahead than this lie in the future.';
comment on column feed.fault_limits.clock_skew is 'A host''s clock that is further from the database''s is wrong: its ticks are refused, or late.';
comment on column feed.fault_limits.removal is 'What takes longer to be removed was interrupted.';
comment on column feed.fault_limits.loss is 'What was lost on its way and found again within this time is told.';
