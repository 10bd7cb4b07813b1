- CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.retention_cohorts
+ CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.retention_cohorts ON CLUSTER 'analytics'
