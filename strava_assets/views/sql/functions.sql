-- What the views are made of beside tables. Run before them, in one go.

CREATE FUNCTION strava_analytics.smoothed_step(state double precision, value double precision, days double precision)
RETURNS double precision LANGUAGE sql IMMUTABLE PARALLEL SAFE
-- Postgres refuses a product too small to hold, which years without training come to.
AS $$ SELECT CASE WHEN state < 1e-30 THEN value * (1 - exp(-1 / days)) ELSE state + (value - state) * (1 - exp(-1 / days)) END $$;

CREATE AGGREGATE strava_analytics.smoothed(value double precision, days double precision) (
    SFUNC = strava_analytics.smoothed_step, STYPE = double precision, INITCOND = '0'
);

COMMENT ON AGGREGATE strava_analytics.smoothed(double precision, double precision) IS
    'Exponentially weighted mean of one value per day, with a time constant in days, from 0: use it with OVER (... ORDER BY day)';
