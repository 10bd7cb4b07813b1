- CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.enrichment_outcomes
+ CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.enrichment_outcomes ON CLUSTER 'analytics'
