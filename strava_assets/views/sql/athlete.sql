-- The athletes who have activities: the days that their history covers, and what they prefer.
--
-- athlete_id bigint: Strava's id of the athlete
-- first_day date: Local day of the first activity
-- last_day date: Local day of the latest activity
-- today date: The athlete's local day now, at the UTC offset of the latest activity; never before last_day
-- units text: metric or imperial: what the report shows
-- week_start text: First day of the week: monday, saturday or sunday
-- counts_duplicates boolean: Whether activities recorded twice count twice
SELECT
    history.athlete_id,
    history.first_day,
    history.last_day,
    greatest(history.last_day, (now() AT TIME ZONE 'UTC' + coalesce(latest.utc_offset, interval '0'))::date) AS today,
    coalesce(preference.units, 'metric') AS units,
    coalesce(preference.week_start, 'monday') AS week_start,
    coalesce(preference.counts_duplicates, true) AS counts_duplicates
FROM (
    SELECT
        athlete_id,
        min(day) AS first_day,
        max(day) AS last_day
    FROM strava_analytics.recorded
    GROUP BY athlete_id
) AS history
LEFT JOIN LATERAL (
    SELECT start_date_local - start_date AT TIME ZONE 'UTC' AS utc_offset
    FROM strava_analytics.recorded
    WHERE athlete_id = history.athlete_id AND start_date_local IS NOT NULL
    ORDER BY start_date DESC, activity_id DESC
    LIMIT 1
) AS latest ON true
LEFT JOIN public.strava_athlete_preference AS preference ON preference.athlete_id = history.athlete_id
