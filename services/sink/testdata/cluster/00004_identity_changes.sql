- CREATE TABLE IF NOT EXISTS parcours.identity_changes
+ CREATE TABLE IF NOT EXISTS parcours.identity_changes_local ON CLUSTER 'analytics'
- ENGINE = ReplacingMergeTree
+ ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/parcours/identity_changes', '{replica}')
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
+ CREATE TABLE IF NOT EXISTS parcours.identity_changes ON CLUSTER 'analytics' AS parcours.identity_changes_local
+ ENGINE = Distributed('analytics', parcours, identity_changes_local, _partition)
+ COMMENT 'History of the identity map: when and why each node came to its customers. An erased node keeps its last row alone. id_graph_updates shows it in Segment\'s columns.';
+
