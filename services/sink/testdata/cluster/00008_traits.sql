- CREATE TABLE IF NOT EXISTS parcours.traits
+ CREATE TABLE IF NOT EXISTS parcours.traits_local ON CLUSTER 'analytics'
- ENGINE = ReplacingMergeTree(version)
+ ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/parcours/traits', '{replica}', version)
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ CREATE TABLE IF NOT EXISTS parcours.traits ON CLUSTER 'analytics' AS parcours.traits_local
+ ENGINE = Distributed('analytics', parcours, traits_local, _partition)
+ COMMENT 'What is said of a customer, one value per anchor, field, source and other identifiers: the value with the greatest version holds. customer_traits has the customer of now, and customers the last of each field.';
+
