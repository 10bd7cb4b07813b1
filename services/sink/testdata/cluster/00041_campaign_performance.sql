- CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.campaign_performance
+ CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.campaign_performance ON CLUSTER 'analytics'
