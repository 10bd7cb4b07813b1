- CREATE OR REPLACE VIEW parcours.customer_events
+ CREATE OR REPLACE VIEW parcours.customer_events ON CLUSTER 'analytics'
