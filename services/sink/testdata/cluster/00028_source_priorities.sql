- CREATE TABLE IF NOT EXISTS parcours.source_priorities
+ CREATE TABLE IF NOT EXISTS parcours.source_priorities_local ON CLUSTER 'analytics'
- ENGINE = ReplacingMergeTree(version)
+ ENGINE = ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/parcours/source_priorities', '{replica}', version)
+ CREATE TABLE IF NOT EXISTS parcours.source_priorities ON CLUSTER 'analytics' AS parcours.source_priorities_local
+ ENGINE = Distributed('analytics', parcours, source_priorities_local, cityHash64(workspace, source, field))
+ COMMENT 'Which source is believed for which field, as configured in workspace.source_priorities; without rows the newest value of a field holds.';
+
