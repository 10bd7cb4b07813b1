- CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.first_last_touch
+ CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.first_last_touch ON CLUSTER 'analytics'
