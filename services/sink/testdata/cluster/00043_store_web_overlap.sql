- CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.store_web_overlap
+ CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.store_web_overlap ON CLUSTER 'analytics'
