- CREATE TABLE IF NOT EXISTS parcours.attributes
+ CREATE TABLE IF NOT EXISTS parcours.attributes_local ON CLUSTER 'analytics'
- ENGINE = ReplacingMergeTree(version)
+ ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/parcours/attributes', '{replica}', version)
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ CREATE TABLE IF NOT EXISTS parcours.attributes ON CLUSTER 'analytics' AS parcours.attributes_local
+ ENGINE = Distributed('analytics', parcours, attributes_local, _partition)
+ COMMENT 'What each provider says of each node and area; the row with the greatest version holds, and older ones may stand beside it until they merge. customer_attributes has the customer of now, and what holds today.';
+
