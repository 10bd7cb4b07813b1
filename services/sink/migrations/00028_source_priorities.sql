-- Whom to believe, by source and field; the sink fills it from its configuration. A row that left the configuration is written once more
-- with priority 0, which is what a source without a row has.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.source_priorities
(
    workspace  LowCardinality(String) COMMENT 'Tenant.',
    source     LowCardinality(String) COMMENT 'Emitter.',
    field      LowCardinality(String) COMMENT 'Trait, or column of contacts; address for the whole postal address; * for all fields of the source that have no row of their own.',
    priority   Int32 COMMENT 'The greater one is believed; 0 for a source without a row. Among equals the newest value holds.',
    fresh_days UInt32 COMMENT 'Age in days after which a value counts with priority 0; 0 never.',
    version    UInt64 COMMENT 'Order of the rows: the greatest holds.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, source, field)
COMMENT 'Which source is believed for which field, as configured in workspace.source_priorities; without rows the newest value of a field holds.';
