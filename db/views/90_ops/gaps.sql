create or replace view ops.gaps as
with listened as (
  select c.source, c.covered_from,
    max(c.covered_to) over (partition by c.source order by c.covered_from rows between unbounded preceding and 1 preceding) as covered_until
  from feed.coverage as c
)
select l.source, l.covered_until as gap_from, l.covered_from as gap_to, l.covered_from - l.covered_until as length
from listened as l
where l.covered_from > l.covered_until
order by l.covered_from desc;

comment on view ops.gaps is 'Times (UTC) in which we did not listen to a source: ticks of then are missing unless its provider sent them later.';
grant select on ops.gaps to foresight_publish, foresight_web;
