-- Whether each source still sends, how fast it arrives, and how much is refused: by what came in the last two days, as of now.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.pipeline_health
(
    workspace           LowCardinality(String) COMMENT 'Tenant; empty for what was refused without one.',
    source              LowCardinality(String) COMMENT 'Emitter; empty for what was refused without one. All that sent an event in the last 30 days; those silent for 2 days are here from the next refresh of data_quality on.',
    last_event_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When its last event was received; null when all that is known was refused.',
    freshness_s         Nullable(UInt64) COMMENT 'Seconds since then; null likewise.',
    events_last_hour    UInt64 COMMENT 'Events received in the last 3600 seconds.',
    events_last_day     UInt64 COMMENT 'Events received in the last 24 hours.',
    stored_p50_ms       Nullable(Float64) COMMENT 'From received by the collector to sent to ClickHouse, milliseconds: half of the events of the last 24 hours took no longer. Null without events.',
    stored_p95_ms       Nullable(Float64) COMMENT 'The same for 95 of 100.',
    stored_max_ms       Nullable(Float64) COMMENT 'The longest of them.',
    enriched_p50_ms     Nullable(Float64) COMMENT 'From received by the collector to written by the enricher, likewise. Null without events.',
    enriched_p95_ms     Nullable(Float64) COMMENT 'The same for 95 of 100.',
    enriched_max_ms     Nullable(Float64) COMMENT 'The longest of them.',
    rejected_last_day   UInt64 COMMENT 'Refused in the last 24 hours, by any stage.',
    rejected_collector  UInt64 COMMENT 'Of these, by the collector.',
    rejected_identity   UInt64 COMMENT 'Of these, by identity.',
    rejected_enricher   UInt64 COMMENT 'Of these, by the enricher.',
    rejected_sink       UInt64 COMMENT 'Of these, by the sink, or by ClickHouse.',
    rejected_share      Nullable(Float64) COMMENT 'rejected_last_day by it and events_last_day, 0 to 1; null without either.'
)
AS SELECT
    h.workspace AS workspace,
    h.source AS source,
    max(h.last_at) AS last_event_at,
    if(last_event_at IS NULL, NULL, toUInt64(greatest(dateDiff('second', last_event_at, now64(3, 'UTC')), 0))) AS freshness_s,
    sum(h.hour) AS events_last_hour,
    sum(h.day) AS events_last_day,
    max(h.stored[1]) AS stored_p50_ms,
    max(h.stored[2]) AS stored_p95_ms,
    max(h.stored_max) AS stored_max_ms,
    max(h.enriched[1]) AS enriched_p50_ms,
    max(h.enriched[2]) AS enriched_p95_ms,
    max(h.enriched_max) AS enriched_max_ms,
    rejected_collector + rejected_identity + rejected_enricher + rejected_sink AS rejected_last_day,
    sum(h.rejected[1]) AS rejected_collector,
    sum(h.rejected[2]) AS rejected_identity,
    sum(h.rejected[3]) AS rejected_enricher,
    sum(h.rejected[4]) AS rejected_sink,
    if(rejected_last_day + events_last_day > 0, rejected_last_day / (rejected_last_day + events_last_day), NULL) AS rejected_share
FROM
(
    -- One of the three kinds of row per source has what the others have not; max and sum pass over nulls and zeros.
    WITH
        e.received_at >= now64(3, 'UTC') - INTERVAL 1 DAY AS today,
        toFloat64(dateDiff('millisecond', e.received_at, e._ingested_at)) AS to_stored,
        toFloat64(dateDiff('millisecond', e.received_at, e._produced_at)) AS to_enriched
    SELECT
        e.workspace AS workspace, e.source AS source,
        toNullable(max(e.received_at)) AS last_at,
        countIf(e.received_at >= now64(3, 'UTC') - INTERVAL 1 HOUR) AS hour,
        countIf(today) AS day,
        arrayMap(q -> if(day > 0, toNullable(q), NULL), quantilesExactInclusiveIf(0.5, 0.95)(to_stored, today)) AS stored,
        maxOrNullIf(to_stored, today) AS stored_max,
        arrayMap(q -> if(day > 0, toNullable(q), NULL), quantilesExactInclusiveIf(0.5, 0.95)(to_enriched, today)) AS enriched,
        maxOrNullIf(to_enriched, today) AS enriched_max,
        CAST([0, 0, 0, 0], 'Array(UInt64)') AS rejected
    FROM parcours.events AS e
    WHERE e.received_at >= now64(3, 'UTC') - INTERVAL 2 DAY
    GROUP BY workspace, source
    UNION ALL
    SELECT
        r.workspace, r.source, NULL, 0, 0, [NULL, NULL], NULL, [NULL, NULL], NULL,
        [countIf(r.stage = 'collector'), countIf(r.stage = 'identity'), countIf(r.stage = 'enricher'), countIf(r.stage = 'sink')]
    FROM parcours.rejected_events AS r
    WHERE r.rejected_at >= now64(3, 'UTC') - INTERVAL 1 DAY
    GROUP BY r.workspace, r.source
    UNION ALL
    SELECT q.workspace, q.source, toNullable(q.last_at), 0, 0, [NULL, NULL], NULL, [NULL, NULL], NULL, [0, 0, 0, 0]
    FROM parcours.data_quality AS q
    WHERE q.field = 'occurred_at'
) AS h
GROUP BY workspace, source
COMMENT 'One row per source, as of now: last event, events of the last hour and day, how long they took to the enricher and to ClickHouse, and what was refused.';
