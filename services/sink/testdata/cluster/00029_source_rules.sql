- CREATE OR REPLACE VIEW parcours.source_rules
+ CREATE OR REPLACE VIEW parcours.source_rules ON CLUSTER 'analytics'
