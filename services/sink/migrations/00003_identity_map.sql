-- Node to customer. Rows of one node differ by version; the greatest one holds.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.identity_map
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    node         UUID COMMENT 'Node: keyed hash of an identifier.',
    canonical    UUID COMMENT 'Customer the node belongs to as of this version.',
    version      UInt64 COMMENT 'Position in the evidence log; it only grows for a node.',
    reason       LowCardinality(String) COMMENT 'Why the node moved.',
    previous     UUID COMMENT 'Customer it belonged to before.',
    _topic       LowCardinality(String) COMMENT 'Kafka topic the row came from.',
    _partition   Int32 COMMENT 'Kafka partition the row came from.',
    _offset      Int64 COMMENT 'Kafka offset the row came from.',
    _produced_at DateTime64(3, 'UTC') COMMENT 'When identity wrote the record to Kafka.',
    _ingested_at DateTime64(3, 'UTC') COMMENT 'When the sink sent the insert that carried the row.',
    INDEX by_ingestion _ingested_at TYPE minmax GRANULARITY 1
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, node)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Which customer each node belongs to, by version. Older versions fade at merges; identity_map_dict has the latest.';
