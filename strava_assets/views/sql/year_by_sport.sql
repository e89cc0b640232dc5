-- One row per athlete, year and sport group with activities.
--
-- athlete_id bigint: Strava's id of the athlete
-- year integer: Calendar year
-- sport_group text: Group of sports
-- activities bigint: How many; of duplicates see is_counted of view activity
-- distance_km double precision: Kilometres
-- distance_miles double precision: Miles
-- moving_minutes double precision: Time in motion, minutes
-- elapsed_minutes double precision: Time from start to end, pauses included, minutes
-- elevation_m double precision: Climbing, metres
-- load double precision: Sum of training load
SELECT
    activity.athlete_id,
    extract(year FROM activity.day)::integer AS year,
    activity.sport_group,
    count(*) AS activities,
    sum(activity.distance_km) AS distance_km,
    sum(activity.distance_miles) AS distance_miles,
    sum(activity.moving_minutes) AS moving_minutes,
    sum(activity.elapsed_minutes) AS elapsed_minutes,
    sum(activity.elevation_m) AS elevation_m,
    sum(activity.load) AS load
FROM strava_analytics.activity AS activity
WHERE activity.is_counted
GROUP BY 1, 2, 3
