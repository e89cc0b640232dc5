-- How much each bike and each pair of shoes was used.
--
-- athlete_id bigint: Strava's id of the athlete
-- gear_id text: Strava's id of the bike (b...) or the shoes (g...)
-- first_day date: Local day of its first activity
-- last_day date: Local day of its latest activity
-- activities bigint: How many; of duplicates see is_counted of view activity
-- distance_km double precision: Kilometres
-- distance_miles double precision: Miles
-- moving_minutes double precision: Time in motion, minutes
-- elapsed_minutes double precision: Time from start to end, pauses included, minutes
-- elevation_m double precision: Climbing, metres
-- load double precision: Sum of training load
SELECT
    athlete_id,
    gear_id,
    min(day) AS first_day,
    max(day) AS last_day,
    count(*) AS activities,
    sum(distance_km) AS distance_km,
    sum(distance_miles) AS distance_miles,
    sum(moving_minutes) AS moving_minutes,
    sum(elapsed_minutes) AS elapsed_minutes,
    sum(elevation_m) AS elevation_m,
    sum(load) AS load
FROM strava_analytics.activity
WHERE is_counted AND gear_id IS NOT NULL
GROUP BY athlete_id, gear_id
