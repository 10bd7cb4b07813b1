-- 12. Freshness: how old is the newest event of each source, how much came in lately, and how long does an event take?
--
-- source: emitter. last_event: when it last sent something. age_s: seconds since. last_hour, last_day: events received.
-- p50_s, p95_s, max_s: seconds from the collector to the table, over the last seven days.
SELECT
    source,
    max(received_at) AS last_event,
    dateDiff('second', last_event, now64(3)) AS age_s,
    countIf(received_at >= now() - INTERVAL 1 HOUR) AS last_hour,
    countIf(received_at >= now() - INTERVAL 1 DAY) AS last_day,
    round(quantileIf(0.5)(toFloat64(_ingested_at - received_at), received_at >= now() - INTERVAL 7 DAY), 3) AS p50_s,
    round(quantileIf(0.95)(toFloat64(_ingested_at - received_at), received_at >= now() - INTERVAL 7 DAY), 3) AS p95_s,
    round(maxIf(toFloat64(_ingested_at - received_at), received_at >= now() - INTERVAL 7 DAY), 3) AS max_s
FROM parcours.events
WHERE workspace = 'default'
GROUP BY source
ORDER BY source
