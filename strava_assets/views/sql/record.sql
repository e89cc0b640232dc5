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
WITH counted AS MATERIALIZED (
    SELECT athlete_id, sport_group, activity_id, day, distance_km, moving_minutes, elevation_m, load
    FROM strava_analytics.activity
    WHERE is_counted
),
-- Sorting all activities for each kind would take most of the time.
best AS (
    SELECT
        athlete_id,
        sport_group,
        max(distance_km) AS distance_km,
        max(moving_minutes) AS moving_minutes,
        max(elevation_m) AS elevation_m,
        max(load) AS load
    FROM counted
    GROUP BY athlete_id, sport_group
),
candidate AS (
    SELECT
        activity.athlete_id,
        activity.sport_group,
        kind.record,
        kind.value,
        kind.unit,
        null::double precision AS distance_km,
        activity.activity_id,
        activity.day,
        -kind.value AS badness
    FROM counted AS activity
    JOIN best ON best.athlete_id = activity.athlete_id AND best.sport_group = activity.sport_group
    CROSS JOIN LATERAL (
        VALUES
            ('longest distance', activity.distance_km, best.distance_km, 'km'),
            ('longest time', activity.moving_minutes, best.moving_minutes, 'min'),
            ('most climbing', activity.elevation_m, best.elevation_m, 'm'),
            ('highest load', activity.load, best.load, 'load')
    ) AS kind (record, value, best, unit)
    WHERE (
            activity.distance_km = best.distance_km
            OR activity.moving_minutes = best.moving_minutes
            OR activity.elevation_m = best.elevation_m
            OR activity.load = best.load
        )
        AND kind.value = kind.best
        AND kind.value > 0
    UNION ALL
    SELECT
        activity.athlete_id,
        activity.sport_group,
        'fastest ' || class.name,
        activity.moving_minutes,
        'min',
        class.km,
        activity.activity_id,
        activity.day,
        activity.moving_minutes
    FROM counted AS activity
    JOIN (
        VALUES
            ('Run', '1 mile', 1.609344),
            ('Run', '5 km', 5),
            ('Run', '10 km', 10),
            ('Run', 'half marathon', 21.0975),
            ('Run', 'marathon', 42.195),
            ('Run', '50 km', 50),
            ('Ride', '20 km', 20),
            ('Ride', '40 km', 40),
            ('Ride', '100 km', 100),
            ('Ride', '100 miles', 160.9344),
            ('Ride', '200 km', 200),
            ('Swim', '400 m', 0.4),
            ('Swim', '1000 m', 1),
            ('Swim', '1500 m', 1.5),
            ('Swim', '3800 m', 3.8)
    ) AS class (sport_group, name, km)
        ON class.sport_group = activity.sport_group
        AND activity.distance_km BETWEEN class.km * 0.98 AND class.km * 1.02
    WHERE activity.moving_minutes > 0
)
SELECT DISTINCT ON (athlete_id, sport_group, record)
    athlete_id,
    sport_group,
    record,
    value,
    unit,
    distance_km,
    activity_id,
    day
FROM candidate
ORDER BY athlete_id, sport_group, record, badness, day, activity_id
