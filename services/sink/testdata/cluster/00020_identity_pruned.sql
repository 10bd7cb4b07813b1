- CREATE TABLE IF NOT EXISTS parcours.identity_pruned
+ CREATE TABLE IF NOT EXISTS parcours.identity_pruned_local ON CLUSTER 'analytics'
- ENGINE = MergeTree
+ ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/parcours/identity_pruned', '{replica}')
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
+ CREATE TABLE IF NOT EXISTS parcours.identity_pruned ON CLUSTER 'analytics' AS parcours.identity_pruned_local
+ ENGINE = Distributed('analytics', parcours, identity_pruned_local, cityHash64(workspace, node, version))
+ COMMENT 'Rows that parcours squash takes out of identity_map; empty when none runs.';
+
