-- One row per athlete and local day, without a gap, from the first activity to today: sums, and fitness, fatigue and form.
--
-- athlete_id bigint: Strava's id of the athlete
-- day date: Local day
-- week date: First day of its week, see week_start of view athlete
-- month date: First day of its month
-- year integer: Its year
-- activities bigint: How many; of duplicates see is_counted of view activity
-- distance_km double precision: Kilometres
-- distance_miles double precision: Miles
-- moving_minutes double precision: Time in motion, minutes
-- elapsed_minutes double precision: Time from start to end, pauses included, minutes
-- elevation_m double precision: Climbing, metres
-- load double precision: Sum of training load
-- fitness double precision: Chronic load: mean of daily loads, weighted exponentially with a time constant of 42 days, from 0 before the first activity: fitness + (load - fitness) x (1 - e^(-1/42))
-- fatigue double precision: Acute load: the same with 7 days
-- form double precision: Fitness less fatigue of the day before
-- monotony double precision: Mean of the last 7 daily loads by their standard deviation (of the population, days of rest count; Foster 1998); null in the first 6 days and where all 7 are equal
-- strain double precision: Sum of the last 7 daily loads x monotony
WITH calendar AS (
    SELECT
        athlete_id,
        first_day + number AS day
    FROM strava_analytics.athlete
    CROSS JOIN LATERAL generate_series(0, today - first_day) AS number
),
counted AS (
    SELECT
        athlete_id,
        day,
        1 AS activities,
        distance_km,
        distance_miles,
        moving_minutes,
        elapsed_minutes,
        elevation_m,
        load
    FROM strava_analytics.activity
    WHERE is_counted
    UNION ALL
    SELECT
        athlete_id,
        day,
        0,
        0,
        0,
        0,
        0,
        0,
        0
    FROM calendar
),
filled AS (
    SELECT
        athlete_id,
        day,
        sum(activities) AS activities,
        sum(distance_km) AS distance_km,
        sum(distance_miles) AS distance_miles,
        sum(moving_minutes) AS moving_minutes,
        sum(elapsed_minutes) AS elapsed_minutes,
        sum(elevation_m) AS elevation_m,
        sum(load) AS load
    FROM counted
    GROUP BY athlete_id, day
),
trained AS (
    SELECT
        filled.*,
        strava_analytics.smoothed(load, 42) OVER history AS fitness,
        strava_analytics.smoothed(load, 7) OVER history AS fatigue,
        count(*) OVER seven_days AS days_known,
        avg(load) OVER seven_days AS mean_load,
        stddev_pop(load) OVER seven_days AS deviation
    FROM filled
    WINDOW
        history AS (PARTITION BY athlete_id ORDER BY day ROWS UNBOUNDED PRECEDING),
        seven_days AS (PARTITION BY athlete_id ORDER BY day ROWS 6 PRECEDING)
)
SELECT
    trained.athlete_id,
    trained.day,
    trained.day - (
        extract(isodow FROM trained.day)::integer - 1
        + CASE preference.week_start WHEN 'saturday' THEN 2 WHEN 'sunday' THEN 1 ELSE 0 END
    ) % 7 AS week,
    date_trunc('month', trained.day::timestamp)::date AS month,
    extract(year FROM trained.day)::integer AS year,
    trained.activities,
    trained.distance_km,
    trained.distance_miles,
    trained.moving_minutes,
    trained.elapsed_minutes,
    trained.elevation_m,
    trained.load,
    trained.fitness,
    trained.fatigue,
    coalesce(lag(trained.fitness - trained.fatigue) OVER (PARTITION BY trained.athlete_id ORDER BY trained.day), 0) AS form,
    monotony.monotony,
    trained.mean_load * 7 * monotony.monotony AS strain
FROM trained
LEFT JOIN public.strava_athlete_preference AS preference ON preference.athlete_id = trained.athlete_id
CROSS JOIN LATERAL (
    -- Seven equal loads may leave a deviation of rounding errors.
    SELECT CASE
        WHEN trained.days_known = 7 AND trained.deviation > 1e-9 * greatest(trained.mean_load, 1)
            THEN trained.mean_load / trained.deviation
    END AS monotony
) AS monotony
