-- Activities that were recorded twice: of two that share more than 80 % of the longer one's time, the one with the larger id.
--
-- activity_id bigint: The activity that repeats another
-- athlete_id bigint: Strava's id of the athlete
-- is_duplicate_of bigint: The activity with the smallest id that it overlaps
WITH placed AS (
    SELECT
        activity_id,
        athlete_id,
        start_date,
        elapsed_time,
        lead(start_date) OVER (PARTITION BY athlete_id ORDER BY start_date, activity_id) AS next_start
    FROM strava_analytics.recorded
    -- A hidden start has a wrong hour, so it overlaps nothing that is known.
    WHERE elapsed_time > 0 AND NOT start_is_hidden
)
SELECT
    greatest(earlier.activity_id, later.activity_id) AS activity_id,
    earlier.athlete_id,
    min(least(earlier.activity_id, later.activity_id)) AS is_duplicate_of
FROM placed AS earlier
CROSS JOIN LATERAL (
    SELECT activity_id, start_date, elapsed_time
    FROM strava_analytics.recorded
    WHERE athlete_id = earlier.athlete_id
        -- Two that share more than 80 % start within 20 % of the first one's time: an index finds these.
        AND start_date BETWEEN earlier.start_date AND earlier.start_date + earlier.elapsed_time * interval '0.2 seconds'
        AND (start_date, activity_id) > (earlier.start_date, earlier.activity_id)
        AND elapsed_time > 0
        AND NOT start_is_hidden
    -- Keeps the planner from comparing all activities with all: some versions expect far more rows here.
    OFFSET 0
) AS later
WHERE earlier.next_start <= earlier.start_date + earlier.elapsed_time * interval '0.2 seconds'
    AND least(
        extract(epoch FROM earlier.start_date) + earlier.elapsed_time,
        extract(epoch FROM later.start_date) + later.elapsed_time
    ) - extract(epoch FROM later.start_date) > 0.8 * greatest(earlier.elapsed_time, later.elapsed_time)
GROUP BY greatest(earlier.activity_id, later.activity_id), earlier.athlete_id
-- Postgres keeps rows that it had to sort, where a join reads them again and again, and makes others anew each time.
ORDER BY is_duplicate_of
