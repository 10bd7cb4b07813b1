- CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.customer_profiles
+ CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.customer_profiles ON CLUSTER 'analytics'
