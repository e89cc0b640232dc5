-- What Riegel's formula (1981), T2 = T1 x (D2 / D1)^1.06, predicts from the best run of the last 365 days; from whole runs of 3 km or more.
--
-- athlete_id bigint: Strava's id of the athlete
-- distance_km double precision: Distance of the race, kilometres
-- predicted_minutes double precision: Time for it, minutes
-- activity_id bigint: The run that it comes from: the one that predicts the least time
-- day date: Its local day
SELECT DISTINCT ON (run.athlete_id, race.km)
    run.athlete_id,
    race.km AS distance_km,
    run.moving_minutes * power(race.km / run.distance_km, 1.06) AS predicted_minutes,
    run.activity_id,
    run.day
FROM strava_analytics.activity AS run
JOIN strava_analytics.athlete AS athlete ON athlete.athlete_id = run.athlete_id
CROSS JOIN (
    VALUES (5::double precision), (10), (21.0975), (42.195)
) AS race (km)
WHERE run.threshold = 'run'
    AND run.is_counted
    AND run.distance_km >= 3
    AND run.moving_minutes > 0
    AND run.day > athlete.today - 365
ORDER BY run.athlete_id, race.km, predicted_minutes, run.day, run.activity_id
