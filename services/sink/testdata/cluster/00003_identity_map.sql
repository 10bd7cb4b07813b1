- CREATE TABLE IF NOT EXISTS parcours.identity_map
+ CREATE TABLE IF NOT EXISTS parcours.identity_map_local ON CLUSTER 'analytics'
- ENGINE = ReplacingMergeTree(version)
+ ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/parcours/identity_map', '{replica}', version)
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ CREATE TABLE IF NOT EXISTS parcours.identity_map ON CLUSTER 'analytics' AS parcours.identity_map_local
+ ENGINE = Distributed('analytics', parcours, identity_map_local, _partition)
+ COMMENT 'Which customer each node belongs to, by version, as far as events need it. Older versions fade at merges; identity_map_dict has the latest.';
+
