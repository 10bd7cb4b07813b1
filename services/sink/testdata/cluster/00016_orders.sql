- CREATE OR REPLACE VIEW parcours.orders
+ CREATE OR REPLACE VIEW parcours.orders ON CLUSTER 'analytics'
