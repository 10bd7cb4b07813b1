-- What parcours squash is taking out of identity_map. It stands in a table so that all replicas take the same rows.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.identity_pruned
(
    workspace LowCardinality(String) COMMENT 'Tenant.',
    node      UUID COMMENT 'Node of the row.',
    version   UInt64 COMMENT 'Version of the row.'
)
ENGINE = MergeTree
ORDER BY (workspace, node, version)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Rows that parcours squash takes out of identity_map; empty when none runs.';
