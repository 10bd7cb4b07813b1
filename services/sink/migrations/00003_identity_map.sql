-- The identity map, one row a node and version. Merges keep the newest version, and parcours squash takes rows that no event needs any more;
-- identity_changes keeps them all. Rows are found by the time they came in at, for the dictionary's refresh.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.identity_map
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    node         UUID COMMENT 'Keyed hash of an identifier.',
    type         LowCardinality(String) COMMENT 'Type of the identifier.',
    canonical    UUID COMMENT 'Customer that the node belongs to from this version on; the node itself when it stands alone.',
    version      UInt64 COMMENT 'Evidence position that decided it; never restarts.',
    shared       Bool COMMENT 'Whether the node is nobody\'s: a hub, or blocked. An event whose anchor is shared belongs to its next identifier that is not.',
    reason       LowCardinality(String) COMMENT 'Why the row was written: joined, renamed, split, cut, lifted, blocked, hub, neighbour, erased or rules.',
    previous     UUID COMMENT 'Customer before.',
    event_id     UUID COMMENT 'Touchpoint whose evidence caused it; zero when none did.',
    at           DateTime64(3, 'UTC') COMMENT 'When the evidence was written to Kafka.',
    _topic       LowCardinality(String) COMMENT 'Kafka topic the row came from.',
    _partition   Int32 COMMENT 'Kafka partition the row came from.',
    _offset      Int64 COMMENT 'Kafka offset the row came from.',
    _produced_at DateTime64(3, 'UTC') COMMENT 'When identity wrote the record to Kafka.',
    _ingested_at DateTime64(3, 'UTC') COMMENT 'When the sink sent the insert that carried the row.',
    INDEX by_ingestion _ingested_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, node)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
COMMENT 'Which customer each node belongs to, by version, as far as events need it. Older versions fade at merges; identity_map_dict has the latest.';
