-- How fresh the views are that are computed from time to time.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.refreshes
(
    view            String COMMENT 'Refreshable view of this database.',
    status          LowCardinality(String) COMMENT 'Scheduled, Running, WaitingForDependencies, Disabled, ...',
    last_success_at Nullable(DateTime('UTC')) COMMENT 'When the last refresh that succeeded began: what was stored before is in the view. Null when none did since the database started.',
    age_s           Nullable(UInt64) COMMENT 'Seconds since then; null when none did since the database started.',
    duration_ms     Nullable(UInt64) COMMENT 'How long that refresh took, in milliseconds; null when none did since the database started.',
    rows            UInt64 COMMENT 'Rows of the view now.',
    next_refresh_at Nullable(DateTime('UTC')) COMMENT 'When the next refresh begins; null while it is not known.',
    retries         UInt64 COMMENT 'How often the refresh under way failed so far.',
    exception       String COMMENT 'Why the last attempt failed; empty when it did not.'
)
AS SELECT
    r.view AS view,
    toString(r.status) AS status,
    toTimeZone(r.last_success_time, 'UTC') AS last_success_at,
    if(r.last_success_time IS NULL, NULL, toUInt64(greatest(dateDiff('second', r.last_success_time, now()), 0))) AS age_s,
    if(r.last_success_time IS NULL, NULL, r.last_success_duration_ms) AS duration_ms,
    ifNull(t.total_rows, 0) AS rows,
    -- The first refresh after a start counts from 1970.
    if(r.next_refresh_time < toDateTime('2000-01-01 00:00:00'), NULL, toTimeZone(r.next_refresh_time, 'UTC')) AS next_refresh_at,
    toUInt64(r.retry) AS retries,
    r.exception AS exception
FROM system.view_refreshes AS r
LEFT JOIN system.tables AS t ON t.database = r.database AND t.name = r.view
WHERE r.database = 'parcours'
COMMENT 'One row per view that is computed from time to time: when, how long, how many rows, and why not. On a cluster, as the server that answers has it. SYSTEM REFRESH VIEW parcours.name computes one now.';
