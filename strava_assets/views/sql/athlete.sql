-- The athletes with activities: the days that their history covers, and their preferences.
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
    greatest(history.last_day, (now() AT TIME ZONE 'UTC' + coalesce(history.utc_offset, interval '0'))::date) AS today,
    coalesce(preference.units, 'metric') AS units,
    coalesce(preference.week_start, 'monday') AS week_start,
    coalesce(preference.counts_duplicates, true) AS counts_duplicates
FROM (
    SELECT
        athlete_id,
        min(day) AS first_day,
        max(day) AS last_day,
        -- In one pass: a join for it may be made for each row of whatever uses this view.
        (
            array_agg(start_date_local - start_date AT TIME ZONE 'UTC' ORDER BY start_date DESC, activity_id DESC)
            FILTER (WHERE start_date_local IS NOT NULL)
        )[1] AS utc_offset
    FROM strava_analytics.recorded
    GROUP BY athlete_id
) AS history
LEFT JOIN public.strava_athlete_preference AS preference ON preference.athlete_id = history.athlete_id
-- Postgres keeps rows that it had to sort, where a join reads them again and again, and makes others anew each time.
ORDER BY history.first_day
