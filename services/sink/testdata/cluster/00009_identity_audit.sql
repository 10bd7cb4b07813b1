- CREATE TABLE IF NOT EXISTS parcours.identity_audit
+ CREATE TABLE IF NOT EXISTS parcours.identity_audit_local ON CLUSTER 'analytics'
- ENGINE = ReplacingMergeTree
+ ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/parcours/identity_audit', '{replica}')
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ CREATE TABLE IF NOT EXISTS parcours.identity_audit ON CLUSTER 'analytics' AS parcours.identity_audit_local
+ ENGINE = Distributed('analytics', parcours, identity_audit_local, _partition)
+ COMMENT 'What identity saw and decided: pairs linked, refused and by which limit, hubs, splits, and what operators ruled.';
+
