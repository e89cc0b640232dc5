-- Streaks: local days in a row, and weeks in a row, with an activity.
--
-- athlete_id bigint: Strava's id of the athlete
-- unit text: day or week
-- first_day date: First day (first day of the first week)
-- last_day date: Last day (first day of the last week)
-- length bigint: How many days or weeks
-- is_current boolean: Whether it goes on: its last day is today or yesterday, its last week this or the last one
WITH active_day AS MATERIALIZED (
    SELECT athlete_id, day, week FROM strava_analytics.day WHERE activities > 0
),
active AS (
    SELECT athlete_id, 'day' AS unit, 1 AS days, day AS first_day FROM active_day
    UNION ALL
    SELECT DISTINCT athlete_id, 'week', 7, week FROM active_day
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
