-- When activities start: by weekday and local hour. Hidden starts, and those without a local time, are left out.
--
-- athlete_id bigint: Strava's id of the athlete
-- sport_group text: Group of sports
-- weekday integer: ISO day of the week of the start, 1 Monday to 7 Sunday
-- hour integer: Local hour of the start, 0 to 23
-- activities bigint: How many; of duplicates see is_counted of view activity
-- distance_km double precision: Kilometres
-- distance_miles double precision: Miles
-- moving_minutes double precision: Time in motion, minutes
-- elapsed_minutes double precision: Time from start to end, pauses included, minutes
-- elevation_m double precision: Climbing, metres
-- load double precision: Sum of training load
SELECT
    athlete_id,
    sport_group,
    extract(isodow FROM start_local)::integer AS weekday,
    extract(hour FROM start_local)::integer AS hour,
    count(*) AS activities,
    sum(distance_km) AS distance_km,
    sum(distance_miles) AS distance_miles,
    sum(moving_minutes) AS moving_minutes,
    sum(elapsed_minutes) AS elapsed_minutes,
    sum(elevation_m) AS elevation_m,
    sum(load) AS load
FROM strava_analytics.activity
WHERE is_counted AND start_local IS NOT NULL
GROUP BY 1, 2, 3, 4
