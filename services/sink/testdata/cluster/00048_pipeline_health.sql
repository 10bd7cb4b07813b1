- CREATE OR REPLACE VIEW parcours.pipeline_health
+ CREATE OR REPLACE VIEW parcours.pipeline_health ON CLUSTER 'analytics'
