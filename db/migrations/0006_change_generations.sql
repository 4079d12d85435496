-- A mark that every batch of a busy minute updates was never free to be removed, kept the oldest time of
-- that minute, and made every writer of the minute wait for the slowest. Marks get a generation, which a
-- capture ends by beginning the next one: what is written from then on goes into rows of its own.
create sequence outbox.change_generation;
comment on sequence outbox.change_generation is 'The generation that new change marks belong to; each capture begins the next one.';

alter table outbox.changes add column generation bigint not null default 0;
alter table outbox.changes drop constraint changes_pkey;
alter table outbox.changes add primary key (instrument_id, minute, generation);
comment on table outbox.changes is 'Where ticks came in and candles were not captured since: a row an instrument, minute and generation, however many ticks.';
comment on column outbox.changes.generation is 'Value of outbox.change_generation when the ticks were written.';
