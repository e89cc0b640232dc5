-- Streaks: local days in a row, and weeks in a row, with an activity.
--
-- athlete_id bigint: Strava's id of the athlete
-- unit text: day or week
-- first_day date: First day (first day of the first week)
-- last_day date: Last day (first day of the last week)
-- length bigint: How many days or weeks
-- is_current boolean: Whether it goes on: its last day is today or yesterday, its last week this or the last one
WITH active AS (
    SELECT DISTINCT
        day.athlete_id,
        step.unit,
        step.days,
        step.first_day
    FROM strava_analytics.day AS day
    CROSS JOIN LATERAL (VALUES ('day', 1, day.day), ('week', 7, day.week)) AS step (unit, days, first_day)
    WHERE day.activities > 0
),
island AS (
    SELECT
        active.*,
        first_day - days * row_number() OVER (PARTITION BY athlete_id, unit ORDER BY first_day)::integer AS number
    FROM active
)
SELECT
    island.athlete_id,
    island.unit,
    min(island.first_day) AS first_day,
    max(island.first_day) AS last_day,
    count(*) AS length,
    CASE island.unit
        WHEN 'day' THEN max(island.first_day) >= athlete.today - 1
        -- Its own days, and the seven of the week after.
        ELSE max(island.first_day) > athlete.today - 14
    END AS is_current
FROM island
JOIN strava_analytics.athlete AS athlete ON athlete.athlete_id = island.athlete_id
GROUP BY island.athlete_id, island.unit, island.number, athlete.today
