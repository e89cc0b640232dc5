-- One row per activity, in the units that people use, with its training load.
--
-- activity_id bigint: Strava's id of the activity
-- athlete_id bigint: Strava's id of the athlete
-- day date: Local day on which it started; the UTC day where day_is_utc
-- day_is_utc boolean: Whether the local time is not known
-- start_local timestamp without time zone: Start, the athlete's wall-clock time; null where it is hidden or not known
-- start_is_hidden boolean: Whether the athlete hides the start: its day is right, its hour is not known
-- name text: Title
-- sport_type text: Strava's sport
-- sport_group text: Group of sports (table strava_sport_group); a sport that is in none is its own
-- threshold text: Whose threshold the load depends on, ftp, run or swim (table strava_sport_group); else null
-- distance_km double precision: Distance, kilometres
-- distance_miles double precision: Distance, miles
-- moving_minutes double precision: Time in motion, minutes
-- elapsed_minutes double precision: Time from start to end, pauses included, minutes
-- elevation_m double precision: Climbing, metres
-- speed_kmh double precision: Distance by time in motion, kilometres per hour; null for sports with a pace and without distance
-- pace_min_per_km double precision: Minutes per kilometre, of sports on foot
-- pace_min_per_100m double precision: Minutes per 100 metres, of swimming
-- average_heartrate double precision: Beats per minute
-- max_heartrate double precision: Beats per minute
-- average_watts double precision: Watts; estimated unless has_power_meter
-- weighted_power double precision: Strava's weighted average power, watts
-- has_power_meter boolean: Whether watts were measured
-- relative_effort double precision: Strava's own number from heart rate (suffer_score; not documented)
-- load double precision: Training load: 100 is an hour at the threshold; the first of the methods of load_method that has what it needs
-- load_method text: power: hours x (weighted power / ftp)^2 x 100; heart_rate: TRIMP (Banister) by TRIMP of an hour at the threshold x 100; relative_effort: x the athlete's median of measured load by relative effort; pace: hours x (speed / threshold speed)^2 (swimming: ^3) x 100; duration: hours x the sport's load_per_hour
-- load_is_guessed boolean: Whether a setting that the load depends on was guessed, or the method is duration
-- is_duplicate_of bigint: The activity that this one repeats (recorded by two devices), see view duplicate; else null
-- is_counted boolean: Whether sums count it: always, or, where counts_duplicates is off, if it is no duplicate
-- gear_id text: Strava's id of the bike or the shoes
-- device_name text: Recording device; name Garmin beside it where it is theirs
-- is_indoor boolean: Recorded on a trainer or treadmill
-- is_commute boolean: Marked as a commute
-- is_manual boolean: Entered by hand
WITH measured AS NOT MATERIALIZED (
    SELECT
        activity.activity_id,
        activity.athlete_id,
        activity.day,
        activity.start_date_local IS NULL AS day_is_utc,
        activity.start_date_local,
        activity.start_is_hidden,
        activity.name,
        activity.sport_type,
        coalesce(sport.sport_group, activity.sport_type) AS sport_group,
        coalesce(sport.measure, 'speed') AS measure,
        activity.distance,
        activity.moving_time,
        activity.elapsed_time,
        activity.total_elevation_gain,
        activity.distance / nullif(activity.moving_time, 0) AS speed,
        activity.average_heartrate,
        activity.max_heartrate,
        activity.average_watts,
        activity.weighted_average_watts,
        activity.device_watts,
        activity.suffer_score,
        activity.gear_id,
        activity.device_name,
        activity.trainer,
        activity.commute,
        activity.manual,
        setting.guessed,
        CASE
            WHEN sport.threshold = 'ftp' AND activity.device_watts AND setting.ftp > 0
                THEN spent.hours * power(activity.weighted_average_watts / setting.ftp, 2) * 100
        END AS power_load,
        CASE
            -- greatest() would make a missing heart rate 0.
            WHEN activity.average_heartrate IS NOT NULL
                AND setting.hr_threshold > setting.hr_rest
                AND setting.hr_max > setting.hr_rest
                THEN spent.hours * 100
                    * (effort.reserve * exp(effort.weight * effort.reserve))
                    / (effort.threshold * exp(effort.weight * effort.threshold))
        END AS heart_rate_load,
        CASE
            WHEN activity.distance > 0 AND activity.moving_time > 0 THEN
                CASE sport.threshold
                    WHEN 'run' THEN spent.hours * 100
                        * power(activity.distance / activity.moving_time / nullif(setting.threshold_speed_run, 0), 2)
                    WHEN 'swim' THEN spent.hours * 100
                        * power(activity.distance / activity.moving_time / nullif(setting.threshold_speed_swim, 0), 3)
                END
        END AS pace_load,
        spent.hours * coalesce(sport.load_per_hour, 40) AS duration_load,
        sport.threshold
    FROM strava_analytics.recorded AS activity
    CROSS JOIN LATERAL (SELECT coalesce(activity.moving_time, 0) / 3600 AS hours) AS spent
    LEFT JOIN public.strava_sport_group AS sport ON sport.sport_type = activity.sport_type
    LEFT JOIN strava_analytics.athlete_setting AS setting
        ON setting.athlete_id = activity.athlete_id
        AND activity.day >= setting.valid_from
        AND (setting.valid_until IS NULL OR activity.day < setting.valid_until)
    CROSS JOIN LATERAL (
        -- Heart rate as a share of the reserve; Banister's weights differ by sex, his factors cancel out.
        SELECT
            -- Cut where no heart is, so that a wrong maximum cannot make a number too large to hold.
            least(
                greatest((activity.average_heartrate - setting.hr_rest) / nullif(setting.hr_max - setting.hr_rest, 0), 0),
                1.5
            ) AS reserve,
            least((setting.hr_threshold - setting.hr_rest) / nullif(setting.hr_max - setting.hr_rest, 0), 1.5)
                AS threshold,
            CASE WHEN setting.sex = 'female' THEN 1.67 ELSE 1.92 END AS weight
    ) AS effort
),
ratio AS (
    SELECT
        athlete_id,
        percentile_cont(0.5) WITHIN GROUP (ORDER BY coalesce(power_load, heart_rate_load) / suffer_score) AS load_per_effort
    FROM measured
    WHERE suffer_score > 0 AND coalesce(power_load, heart_rate_load) IS NOT NULL
    GROUP BY athlete_id
    -- Postgres keeps rows that it had to sort, where a join reads them again and again, and makes others anew each time.
    ORDER BY load_per_effort
)
SELECT
    measured.activity_id,
    measured.athlete_id,
    measured.day,
    measured.day_is_utc,
    CASE WHEN NOT measured.start_is_hidden THEN measured.start_date_local END AS start_local,
    measured.start_is_hidden,
    measured.name,
    measured.sport_type,
    measured.sport_group,
    measured.threshold,
    coalesce(measured.distance, 0) / 1000 AS distance_km,
    coalesce(measured.distance, 0) / 1609.344 AS distance_miles,
    coalesce(measured.moving_time, 0) / 60 AS moving_minutes,
    coalesce(measured.elapsed_time, 0) / 60 AS elapsed_minutes,
    coalesce(measured.total_elevation_gain, 0) AS elevation_m,
    CASE WHEN measured.measure = 'speed' AND measured.speed > 0 THEN measured.speed * 3.6 END AS speed_kmh,
    CASE WHEN measured.measure = 'pace_km' AND measured.speed > 0 THEN 1000 / measured.speed / 60 END AS pace_min_per_km,
    CASE WHEN measured.measure = 'pace_100m' AND measured.speed > 0 THEN 100 / measured.speed / 60 END
        AS pace_min_per_100m,
    measured.average_heartrate,
    measured.max_heartrate,
    measured.average_watts,
    measured.weighted_average_watts AS weighted_power,
    coalesce(measured.device_watts, false) AS has_power_meter,
    measured.suffer_score AS relative_effort,
    coalesce(
        measured.power_load,
        measured.heart_rate_load,
        chosen.relative_effort_load,
        measured.pace_load,
        measured.duration_load
    ) AS load,
    chosen.load_method,
    CASE chosen.load_method
        WHEN 'power' THEN 'ftp' = ANY (measured.guessed)
        WHEN 'heart_rate' THEN measured.guessed && ARRAY['hr_max', 'hr_rest', 'hr_threshold', 'sex']
        WHEN 'pace' THEN 'threshold_speed_' || measured.threshold = ANY (measured.guessed)
        ELSE true
    END AS load_is_guessed,
    duplicate.is_duplicate_of,
    duplicate.is_duplicate_of IS NULL OR coalesce(preference.counts_duplicates, true) AS is_counted,
    measured.gear_id,
    measured.device_name,
    coalesce(measured.trainer, false) AS is_indoor,
    coalesce(measured.commute, false) AS is_commute,
    coalesce(measured.manual, false) AS is_manual
FROM measured
LEFT JOIN ratio ON ratio.athlete_id = measured.athlete_id
LEFT JOIN strava_analytics.duplicate AS duplicate
    ON duplicate.athlete_id = measured.athlete_id AND duplicate.activity_id = measured.activity_id
LEFT JOIN public.strava_athlete_preference AS preference ON preference.athlete_id = measured.athlete_id
CROSS JOIN LATERAL (
    SELECT
        measured.suffer_score * coalesce(ratio.load_per_effort, 1) AS relative_effort_load,
        CASE
            WHEN measured.power_load IS NOT NULL THEN 'power'
            WHEN measured.heart_rate_load IS NOT NULL THEN 'heart_rate'
            WHEN measured.suffer_score IS NOT NULL THEN 'relative_effort'
            WHEN measured.pace_load IS NOT NULL THEN 'pace'
            ELSE 'duration'
        END AS load_method
) AS chosen
