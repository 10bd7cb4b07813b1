- CREATE TABLE IF NOT EXISTS parcours.rejected_events
+ CREATE TABLE IF NOT EXISTS parcours.rejected_events_local ON CLUSTER 'analytics'
- ENGINE = MergeTree
+ ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/parcours/rejected_events', '{replica}')
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
+ CREATE TABLE IF NOT EXISTS parcours.rejected_events ON CLUSTER 'analytics' AS parcours.rejected_events_local
+ ENGINE = Distributed('analytics', parcours, rejected_events_local, _partition)
+ COMMENT 'What could not be processed, with its reason and its original bytes, kept to be repaired and replayed.';
+
