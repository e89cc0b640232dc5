-- One row per athlete and year: from 1 January to the day of the year that it is now, by month and day (29 February compares with 28).
--
-- athlete_id bigint: Strava's id of the athlete
-- year integer: Calendar year
-- until_month integer: Month of the last day that is summed
-- until_day integer: Day of that month; in a year without it, the days before it
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
    day.year,
    extract(month FROM athlete.today)::integer AS until_month,
    extract(day FROM athlete.today)::integer AS until_day,
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
WHERE to_char(day.day, 'MMDD') <= to_char(athlete.today, 'MMDD')
GROUP BY day.athlete_id, day.year, athlete.today
