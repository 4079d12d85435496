-- Plain PostgreSQL needs nothing beyond the table: candles are tables that feed.create_missing_candles() makes.
select 1;
