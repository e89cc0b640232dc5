-- One row per activity whose athlete is known and whose start lies in the 20th or 21st century, with its local day; impossible numbers are left out, so that they spoil no sum.
--
-- activity_id bigint: Strava's id of the activity
-- athlete_id bigint: Strava's id of the athlete
-- start_date timestamp with time zone: Start
-- start_date_local timestamp without time zone: Start, the athlete's wall-clock time; null if it is more than a day from start_date, which is no time zone
-- start_is_hidden boolean: Whether the athlete hides the start: its day is right, its hour is not known
-- day date: Local day on which it started; the UTC day where the local time is not known
-- name text: Title
-- sport_type text: Strava's sport, else the older type
-- distance double precision: Metres, 0 to 100 000 km
-- moving_time double precision: Seconds, 0 to 366 days
-- elapsed_time double precision: Seconds, 0 to 366 days
-- total_elevation_gain double precision: Metres, 0 to 1000 km
-- average_heartrate double precision: Beats per minute, 1 to 300
-- max_heartrate double precision: Beats per minute, 1 to 300
-- average_watts double precision: Watts, 0 to 10 000
-- weighted_average_watts double precision: Watts, 0 to 10 000
-- device_watts boolean: Whether watts were measured
-- suffer_score double precision: Strava's relative effort, 0 to 100 000
-- gear_id text: Strava's id of the bike or the shoes
-- device_name text: Recording device
-- trainer boolean: Recorded on a trainer or treadmill
-- commute boolean: Marked as a commute
-- manual boolean: Entered by hand
WITH activity AS (
    SELECT
        *,
        CASE
            WHEN start_date_local BETWEEN (start_date AT TIME ZONE 'UTC') - interval '1 day'
                AND (start_date AT TIME ZONE 'UTC') + interval '1 day' THEN start_date_local
        END AS local_start
    FROM public.strava_activity
    -- A device's wrong clock would otherwise make the calendar of days thousands of years long.
    WHERE athlete_id IS NOT NULL AND start_date >= '1900-01-01 00:00+00' AND start_date < '2100-01-01 00:00+00'
)
SELECT
    -- Numbers too small to be multiplied become 0: Postgres refuses a product that it cannot hold.
    id AS activity_id,
    athlete_id,
    start_date,
    local_start AS start_date_local,
    coalesce(local_start::time = time '00:00:01', false) AS start_is_hidden,
    coalesce(local_start, start_date AT TIME ZONE 'UTC')::date AS day,
    name,
    coalesce(sport_type, type, 'Unknown') AS sport_type,
    CASE WHEN distance BETWEEN 0.001 AND 1e8 THEN distance WHEN distance BETWEEN 0 AND 0.001 THEN 0 END AS distance,
    CASE WHEN moving_time BETWEEN 0 AND 366 * 86400 THEN moving_time::double precision END AS moving_time,
    CASE WHEN elapsed_time BETWEEN 0 AND 366 * 86400 THEN elapsed_time::double precision END AS elapsed_time,
    CASE
        WHEN total_elevation_gain BETWEEN 0.001 AND 1e6 THEN total_elevation_gain
        WHEN total_elevation_gain BETWEEN 0 AND 0.001 THEN 0
    END AS total_elevation_gain,
    CASE WHEN average_heartrate BETWEEN 1 AND 300 THEN average_heartrate END AS average_heartrate,
    CASE WHEN max_heartrate BETWEEN 1 AND 300 THEN max_heartrate END AS max_heartrate,
    CASE WHEN average_watts BETWEEN 0.001 AND 10000 THEN average_watts WHEN average_watts BETWEEN 0 AND 0.001 THEN 0 END
        AS average_watts,
    CASE
        WHEN weighted_average_watts BETWEEN 0.001 AND 10000 THEN weighted_average_watts
        WHEN weighted_average_watts BETWEEN 0 AND 0.001 THEN 0
    END AS weighted_average_watts,
    device_watts,
    CASE WHEN suffer_score BETWEEN 0.001 AND 1e5 THEN suffer_score WHEN suffer_score BETWEEN 0 AND 0.001 THEN 0 END
        AS suffer_score,
    gear_id,
    device_name,
    trainer,
    commute,
    manual
FROM activity
