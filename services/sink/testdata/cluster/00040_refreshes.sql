- CREATE OR REPLACE VIEW parcours.refreshes
+ CREATE OR REPLACE VIEW parcours.refreshes ON CLUSTER 'analytics'
