- CREATE TABLE IF NOT EXISTS parcours.contacts
+ CREATE TABLE IF NOT EXISTS parcours.contacts_local ON CLUSTER 'analytics'
- ENGINE = ReplacingMergeTree(version)
+ ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/parcours/contacts', '{replica}', version)
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
+ CREATE TABLE IF NOT EXISTS parcours.contacts ON CLUSTER 'analytics' AS parcours.contacts_local
+ ENGINE = Distributed('analytics', parcours, contacts_local, _partition)
+ COMMENT 'The only home of clear contact and civil values: one row per anchor, source and set of values, as last stated, and as often as its other identifiers differ. customer_contacts has the customer of now.';
+
