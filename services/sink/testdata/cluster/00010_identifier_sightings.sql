- CREATE TABLE IF NOT EXISTS parcours.identifier_sightings
+ CREATE TABLE IF NOT EXISTS parcours.identifier_sightings_local ON CLUSTER 'analytics'
- ENGINE = AggregatingMergeTree
+ ENGINE = ReplicatedAggregatingMergeTree('/clickhouse/tables/{shard}/parcours/identifier_sightings', '{replica}')
- SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
+ SETTINGS replicated_deduplication_window_seconds = 604800, replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
+ CREATE TABLE IF NOT EXISTS parcours.identifier_sightings ON CLUSTER 'analytics' AS parcours.identifier_sightings_local
+ ENGINE = Distributed('analytics', parcours, identifier_sightings_local, cityHash64(workspace, node))
+ COMMENT 'Sightings of each identifier, to be merged: query identifiers.';
+
