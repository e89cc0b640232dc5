-- One row per athlete and month, without a gap: sums, and fitness at its end (or now).
--
-- athlete_id bigint: Strava's id of the athlete
-- month date: First day of the month
-- active_days bigint: Days with an activity
-- activities bigint: How many; of duplicates see is_counted of view activity
-- distance_km double precision: Kilometres
-- distance_miles double precision: Miles
-- moving_minutes double precision: Time in motion, minutes
-- elapsed_minutes double precision: Time from start to end, pauses included, minutes
-- elevation_m double precision: Climbing, metres
-- load double precision: Sum of training load
-- fitness double precision: Chronic load on its last day, see view day
-- fatigue double precision: Acute load on its last day, see view day
SELECT
    athlete_id,
    month,
    count(*) FILTER (WHERE activities > 0) AS active_days,
    sum(activities)::bigint AS activities,
    sum(distance_km) AS distance_km,
    sum(distance_miles) AS distance_miles,
    sum(moving_minutes) AS moving_minutes,
    sum(elapsed_minutes) AS elapsed_minutes,
    sum(elevation_m) AS elevation_m,
    sum(load) AS load,
    (array_agg(fitness ORDER BY day DESC))[1] AS fitness,
    (array_agg(fatigue ORDER BY day DESC))[1] AS fatigue
FROM strava_analytics.day
GROUP BY athlete_id, month
