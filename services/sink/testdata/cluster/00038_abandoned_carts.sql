- CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.abandoned_carts
+ CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.abandoned_carts ON CLUSTER 'analytics'
