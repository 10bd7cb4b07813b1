-- Every version of every node of the identity map. A version that is delivered twice says the same twice, and fades at merges.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.identity_changes
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    node         UUID COMMENT 'Keyed hash of an identifier.',
    type         LowCardinality(String) COMMENT 'Type of the identifier.',
    canonical    UUID COMMENT 'Customer that the node belongs to from this version on; the node itself when it stands alone.',
    version      UInt64 COMMENT 'Evidence position that decided it; never restarts.',
    shared       Bool COMMENT 'Whether the node is nobody\'s from this version on: a hub, or blocked.',
    reason       LowCardinality(String) COMMENT 'Why the row was written: joined, renamed, split, cut, lifted, blocked, hub, neighbour, erased or rules.',
    previous     UUID COMMENT 'Customer before.',
    event_id     UUID COMMENT 'Touchpoint whose evidence caused it; zero when none did.',
    at           DateTime64(3, 'UTC') COMMENT 'When the evidence was written to Kafka.',
    _topic       LowCardinality(String) COMMENT 'Kafka topic the row came from.',
    _partition   Int32 COMMENT 'Kafka partition the row came from.',
    _offset      Int64 COMMENT 'Kafka offset the row came from.',
    _produced_at DateTime64(3, 'UTC') COMMENT 'When identity wrote the record to Kafka.',
    _ingested_at DateTime64(3, 'UTC') COMMENT 'When the sink sent the insert that carried the row.'
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, node, version)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'History of the identity map: when and why each node came to its customers. An erased node keeps its last row alone. id_graph_updates shows it in Segment\'s columns.';
