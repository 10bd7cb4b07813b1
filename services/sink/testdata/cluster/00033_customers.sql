- CREATE OR REPLACE VIEW parcours.customers
+ CREATE OR REPLACE VIEW parcours.customers ON CLUSTER 'analytics'
