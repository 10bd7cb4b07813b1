- CREATE OR REPLACE VIEW parcours.customer_traits
+ CREATE OR REPLACE VIEW parcours.customer_traits ON CLUSTER 'analytics'
