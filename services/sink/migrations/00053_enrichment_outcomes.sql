-- What each enrichment did, and why it did not. It counts, and shows nothing of anybody.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.enrichment_outcomes
REFRESH EVERY 1 HOUR OFFSET 39 MINUTE
(
    workspace  LowCardinality(String) COMMENT 'Tenant.',
    day        Date32 COMMENT 'Day in UTC that the collector received the events; the last 30 days.',
    source     LowCardinality(String) COMMENT 'Emitter of the events.',
    enrichment LowCardinality(String) COMMENT 'Enrichment.',
    version    LowCardinality(String) COMMENT 'Version of it and of the data that it used.',
    status     LowCardinality(String) COMMENT 'applied, skipped or failed.',
    reason     LowCardinality(String) COMMENT 'Why it was skipped or failed, as a missing consent, a purpose that is not enabled or data that is not there; empty when it was applied.',
    events     UInt64 COMMENT 'Events that this happened to.',
    share      Float64 COMMENT 'Share of them among the events of the day and source that the enrichment looked at, 0 to 1.'
)
ENGINE = MergeTree
ORDER BY (workspace, day, enrichment, source, version, status, reason)
EMPTY
AS SELECT
    o.workspace AS workspace,
    o.day AS day,
    o.source AS source,
    outcome.1 AS enrichment,
    outcome.2 AS version,
    outcome.3 AS status,
    outcome.4 AS reason,
    sum(o.alike) AS events,
    events / sum(events) OVER (PARTITION BY o.workspace, o.day, o.source, enrichment) AS share
FROM
(
    -- Chains are few: they are counted first, and taken apart then.
    SELECT
        e.workspace AS workspace,
        toDate32(e.received_at) AS day,
        e.source AS source,
        arrayZip(e.`enrichments.name`, e.`enrichments.version`, e.`enrichments.status`, e.`enrichments.reason`) AS outcomes,
        count() AS alike
    FROM parcours.events AS e
    WHERE e.received_at >= now('UTC') - INTERVAL 30 DAY
    GROUP BY workspace, day, source, outcomes
)
AS o
ARRAY JOIN o.outcomes AS outcome
GROUP BY workspace, day, source, enrichment, version, status, reason
COMMENT 'What each enrichment did to the events of each day and source, by version of its data, and why it did not: for the platform team and the data protection officer. Computed every hour.';
