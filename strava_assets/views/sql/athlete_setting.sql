-- The settings of an athlete for a period: set with `strava-assets athlete set`, else guessed from the data.
--
-- athlete_id bigint: Strava's id of the athlete
-- valid_from date: First local day on which this row holds; 0001-01-01 before anything was set
-- valid_until date: First local day on which it no longer holds; null: it still holds
-- hr_max double precision: Maximum heart rate, beats per minute; guessed: 99.5th percentile of all activities' maxima
-- hr_rest double precision: Resting heart rate, beats per minute; guessed: 60
-- hr_threshold double precision: Heart rate at the threshold (what can be held for an hour), beats per minute; guessed: rest + 0.85 x (max - rest)
-- ftp double precision: Functional threshold power, watts; guessed: 95 % of the highest weighted power of a ride of 20 minutes or more
-- threshold_speed_run double precision: Speed that can be run for an hour, metres per second; guessed: 95th percentile, over runs of 3 km or more, of what Riegel's formula makes of each
-- threshold_speed_swim double precision: Speed that can be swum for an hour, metres per second; guessed: 95th percentile, over swims of 400 m or more, of what Riegel's formula makes of each
-- sex text: female or male: which of Banister's weights of heart rate is taken; where it is not set, the one for men
-- weight double precision: Body weight, kilograms; never guessed
-- guessed text[]: The columns whose values nobody has set
WITH declared AS (
    SELECT
        setting.athlete_id,
        setting.valid_from,
        lead(setting.valid_from) OVER (PARTITION BY setting.athlete_id ORDER BY setting.valid_from) AS valid_until,
        carried.*
    FROM public.strava_athlete_setting AS setting
    CROSS JOIN LATERAL (
        -- The newest value of each column up to that day: a row sets only what it names.
        SELECT
            (array_agg(hr_max ORDER BY valid_from DESC) FILTER (WHERE hr_max IS NOT NULL))[1] AS hr_max,
            (array_agg(hr_rest ORDER BY valid_from DESC) FILTER (WHERE hr_rest IS NOT NULL))[1] AS hr_rest,
            (array_agg(hr_threshold ORDER BY valid_from DESC) FILTER (WHERE hr_threshold IS NOT NULL))[1] AS hr_threshold,
            (array_agg(ftp ORDER BY valid_from DESC) FILTER (WHERE ftp IS NOT NULL))[1] AS ftp,
            (array_agg(threshold_speed_run ORDER BY valid_from DESC)
                FILTER (WHERE threshold_speed_run IS NOT NULL))[1] AS threshold_speed_run,
            (array_agg(threshold_speed_swim ORDER BY valid_from DESC)
                FILTER (WHERE threshold_speed_swim IS NOT NULL))[1] AS threshold_speed_swim,
            (array_agg(sex ORDER BY valid_from DESC) FILTER (WHERE sex IS NOT NULL))[1] AS sex,
            (array_agg(weight ORDER BY valid_from DESC) FILTER (WHERE weight IS NOT NULL))[1] AS weight
        FROM public.strava_athlete_setting AS earlier
        WHERE earlier.athlete_id = setting.athlete_id AND earlier.valid_from <= setting.valid_from
    ) AS carried
),
guess AS (
    SELECT
        activity.athlete_id,
        percentile_cont(0.995) WITHIN GROUP (ORDER BY activity.max_heartrate) AS hr_max,
        0.95 * max(activity.weighted_average_watts) FILTER (
            WHERE sport.threshold = 'ftp' AND activity.device_watts AND activity.moving_time >= 1200
        ) AS ftp,
        -- Riegel 1981: T2 = T1 (D2 / D1)^1.06, solved for the distance of T2 = one hour.
        percentile_cont(0.95) WITHIN GROUP (
            ORDER BY activity.distance * power(3600 / activity.moving_time, 1 / 1.06) / 3600
        ) FILTER (
            WHERE sport.threshold = 'run' AND activity.distance >= 3000 AND activity.moving_time > 0
        ) AS threshold_speed_run,
        percentile_cont(0.95) WITHIN GROUP (
            ORDER BY activity.distance * power(3600 / activity.moving_time, 1 / 1.06) / 3600
        ) FILTER (
            WHERE sport.threshold = 'swim' AND activity.distance >= 400 AND activity.moving_time > 0
        ) AS threshold_speed_swim
    FROM strava_analytics.recorded AS activity
    LEFT JOIN public.strava_sport_group AS sport ON sport.sport_type = activity.sport_type
    GROUP BY activity.athlete_id
),
period AS (
    SELECT * FROM declared
    UNION ALL
    SELECT athlete_id, date '0001-01-01', min(valid_from), null, null, null, null, null, null, null, null
    FROM public.strava_athlete_setting
    GROUP BY athlete_id
    HAVING min(valid_from) > date '0001-01-01'
),
filled AS (
    SELECT
        athlete_id,
        coalesce(period.valid_from, date '0001-01-01') AS valid_from,
        period.valid_until,
        coalesce(period.hr_max, guess.hr_max) AS hr_max,
        coalesce(period.hr_rest, 60) AS hr_rest,
        period.hr_threshold,
        coalesce(period.ftp, guess.ftp) AS ftp,
        coalesce(period.threshold_speed_run, guess.threshold_speed_run) AS threshold_speed_run,
        coalesce(period.threshold_speed_swim, guess.threshold_speed_swim) AS threshold_speed_swim,
        period.sex,
        period.weight,
        array_remove(ARRAY[
            CASE WHEN period.hr_max IS NULL THEN 'hr_max' END,
            CASE WHEN period.hr_rest IS NULL THEN 'hr_rest' END,
            CASE WHEN period.hr_threshold IS NULL THEN 'hr_threshold' END,
            CASE WHEN period.ftp IS NULL THEN 'ftp' END,
            CASE WHEN period.threshold_speed_run IS NULL THEN 'threshold_speed_run' END,
            CASE WHEN period.threshold_speed_swim IS NULL THEN 'threshold_speed_swim' END,
            CASE WHEN period.sex IS NULL THEN 'sex' END
        ], NULL) AS guessed
    FROM period
    -- An athlete may have activities, or settings, alone.
    FULL JOIN guess USING (athlete_id)
)
SELECT
    athlete_id,
    valid_from,
    valid_until,
    hr_max,
    hr_rest,
    coalesce(hr_threshold, hr_rest + 0.85 * (hr_max - hr_rest)) AS hr_threshold,
    ftp,
    threshold_speed_run,
    threshold_speed_swim,
    sex,
    weight,
    guessed
FROM filled
-- Postgres keeps rows that it had to sort, where a join reads them again and again, and makes others anew each time.
ORDER BY valid_from
