-- Records of whole activities, by sport group; of equals, the first. Not best efforts within an activity.
--
-- athlete_id bigint: Strava's id of the athlete
-- sport_group text: Group of sports
-- record text: longest distance, longest time, most climbing, highest load, or fastest DISTANCE: least time in motion of an activity within 2 % of it
-- value double precision: The record, in `unit`
-- unit text: km, min, m or load
-- distance_km double precision: Of fastest DISTANCE: that distance, kilometres; else null
-- activity_id bigint: The activity
-- day date: Its local day
WITH counted AS (
    -- Sorting all activities for each kind would take most of the time.
    SELECT
        athlete_id,
        sport_group,
        threshold,
        activity_id,
        day,
        distance_km,
        moving_minutes,
        elevation_m,
        load,
        max(distance_km) OVER all_of_group AS most_distance,
        max(moving_minutes) OVER all_of_group AS most_time,
        max(elevation_m) OVER all_of_group AS most_climbing,
        max(load) OVER all_of_group AS most_load
    FROM strava_analytics.activity
    WHERE is_counted
    WINDOW all_of_group AS (PARTITION BY athlete_id, sport_group)
)
SELECT DISTINCT ON (counted.athlete_id, counted.sport_group, candidate.record)
    counted.athlete_id,
    counted.sport_group,
    candidate.record,
    candidate.value,
    candidate.unit,
    candidate.distance_km,
    counted.activity_id,
    counted.day
FROM counted
CROSS JOIN LATERAL (
    SELECT
        kind.record,
        kind.value,
        kind.unit,
        null::double precision AS distance_km
    FROM (
        VALUES
            ('longest distance', counted.distance_km, counted.most_distance, 'km'),
            ('longest time', counted.moving_minutes, counted.most_time, 'min'),
            ('most climbing', counted.elevation_m, counted.most_climbing, 'm'),
            ('highest load', counted.load, counted.most_load, 'load')
    ) AS kind (record, value, best, unit)
    WHERE kind.value = kind.best AND kind.value > 0
    UNION ALL
    SELECT
        'fastest ' || class.name,
        counted.moving_minutes,
        'min',
        class.km
    FROM (
        VALUES
            ('run', '1 mile', 1.609344),
            ('run', '5 km', 5),
            ('run', '10 km', 10),
            ('run', 'half marathon', 21.0975),
            ('run', 'marathon', 42.195),
            ('run', '50 km', 50),
            ('ftp', '20 km', 20),
            ('ftp', '40 km', 40),
            ('ftp', '100 km', 100),
            ('ftp', '100 miles', 160.9344),
            ('ftp', '200 km', 200),
            ('swim', '400 m', 0.4),
            ('swim', '1000 m', 1),
            ('swim', '1500 m', 1.5),
            ('swim', '3800 m', 3.8)
    ) AS class (threshold, name, km)
    WHERE class.threshold = counted.threshold
        AND counted.distance_km BETWEEN class.km * 0.98 AND class.km * 1.02
        AND counted.moving_minutes > 0
) AS candidate
-- Of the four kinds, only the best are left.
ORDER BY counted.athlete_id, counted.sport_group, candidate.record, candidate.value, counted.day, counted.activity_id
