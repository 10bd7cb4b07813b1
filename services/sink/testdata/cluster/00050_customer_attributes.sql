- CREATE OR REPLACE VIEW parcours.customer_attributes
+ CREATE OR REPLACE VIEW parcours.customer_attributes ON CLUSTER 'analytics'
