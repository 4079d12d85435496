-- Student's distribution function has a closed form for odd degrees of freedom: Abramowitz and Stegun, 26.7.3.
create or replace function track.p_value(t double precision)
returns double precision
language plpgsql
immutable
strict
set search_path = pg_catalog, pg_temp
as $$
declare
  angle double precision := atan(abs(t) / sqrt(19::double precision));
  term double precision := cos(angle);
  total double precision := term;
begin
  for k in 1..8 loop
    term := term * cos(angle) ^ 2 * (2 * k) / (2 * k + 1);
    total := total + term;
  end loop;
  return greatest(0, 1 - 2 / pi() * (angle + sin(angle) * total));
end
$$;

comment on function track.p_value(double precision) is
  'How probable a value of Student''s t with 19 degrees of freedom as far from 0 as this, or farther, is by chance: from 0 to 1.';
