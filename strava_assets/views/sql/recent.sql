-- The last 7, 28, 90 and 365 days up to today, and the same number of days before them.
--
-- athlete_id bigint: Strava's id of the athlete
-- days integer: How many days are summed
-- is_before boolean: Whether these are the days before the last ones, to compare with
-- active_days bigint: Days with an activity
-- activities bigint: How many; of duplicates see is_counted of view activity
-- distance_km double precision: Kilometres
-- distance_miles double precision: Miles
-- moving_minutes double precision: Time in motion, minutes
-- elapsed_minutes double precision: Time from start to end, pauses included, minutes
-- elevation_m double precision: Climbing, metres
-- load double precision: Sum of training load
SELECT
    day.athlete_id,
    span.days,
    day.day <= athlete.today - span.days AS is_before,
    count(*) FILTER (WHERE day.activities > 0) AS active_days,
    sum(day.activities)::bigint AS activities,
    sum(day.distance_km) AS distance_km,
    sum(day.distance_miles) AS distance_miles,
    sum(day.moving_minutes) AS moving_minutes,
    sum(day.elapsed_minutes) AS elapsed_minutes,
    sum(day.elevation_m) AS elevation_m,
    sum(day.load) AS load
FROM strava_analytics.day AS day
JOIN strava_analytics.athlete AS athlete ON athlete.athlete_id = day.athlete_id
CROSS JOIN (VALUES (7), (28), (90), (365)) AS span (days)
WHERE day.day > athlete.today - 2 * span.days
GROUP BY 1, 2, 3
