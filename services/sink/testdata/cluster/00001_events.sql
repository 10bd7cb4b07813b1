- CREATE TABLE IF NOT EXISTS parcours.events
+ CREATE TABLE IF NOT EXISTS parcours.events_local ON CLUSTER 'analytics'
- ENGINE = MergeTree
+ ENGINE = ReplicatedMergeTree('/clickhouse/tables/{shard}/parcours/events', '{replica}')
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
+ CREATE TABLE IF NOT EXISTS parcours.events ON CLUSTER 'analytics' AS parcours.events_local
+ ENGINE = Distributed('analytics', parcours, events_local, _partition)
+ COMMENT 'One row per touchpoint; nothing but customer_id and iv ever changes. Query customer_events to have the customer of now.';
+
