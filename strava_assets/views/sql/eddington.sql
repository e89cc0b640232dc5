-- Eddington numbers: the largest E with at least E local days of at least E kilometres (miles), by sport group.
--
-- athlete_id bigint: Strava's id of the athlete
-- sport_group text: Group of sports
-- unit text: km or mile; a day's distance is cut to whole units
-- eddington integer: The Eddington number
-- days_missing integer: Days of at least E + 1 units that are missing for the next one
WITH distance AS (
    SELECT
        athlete_id,
        sport_group,
        sum(distance_km) AS km,
        sum(distance_miles) AS mile
    FROM strava_analytics.activity
    WHERE is_counted
    GROUP BY athlete_id, sport_group, day
),
ranked AS (
    SELECT
        distance.athlete_id,
        distance.sport_group,
        unit.unit,
        -- 10.0 km may be a sum that is a rounding error short of it.
        floor(unit.units + 1e-9) AS units,
        row_number() OVER (
            PARTITION BY distance.athlete_id, distance.sport_group, unit.unit ORDER BY floor(unit.units + 1e-9) DESC
        ) AS days
    FROM distance
    CROSS JOIN LATERAL (VALUES ('km', distance.km), ('mile', distance.mile)) AS unit (unit, units)
),
scored AS (
    SELECT
        ranked.*,
        count(*) FILTER (WHERE units >= days) OVER (PARTITION BY athlete_id, sport_group, unit) AS eddington
    FROM ranked
)
SELECT
    athlete_id,
    sport_group,
    unit,
    eddington::integer AS eddington,
    (eddington + 1 - count(*) FILTER (WHERE units >= eddington + 1))::integer AS days_missing
FROM scored
GROUP BY athlete_id, sport_group, unit, eddington
HAVING max(units) > 0
