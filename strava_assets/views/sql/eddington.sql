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
found AS (
    SELECT
        athlete_id,
        sport_group,
        unit,
        (count(*) FILTER (WHERE units >= days))::integer AS eddington
    FROM ranked
    GROUP BY athlete_id, sport_group, unit
    HAVING max(units) > 0
)
SELECT
    found.athlete_id,
    found.sport_group,
    found.unit,
    found.eddington,
    (found.eddington + 1 - count(ranked.days) FILTER (WHERE ranked.units >= found.eddington + 1))::integer AS days_missing
FROM found
JOIN ranked USING (athlete_id, sport_group, unit)
GROUP BY found.athlete_id, found.sport_group, found.unit, found.eddington
