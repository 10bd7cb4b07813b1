- CREATE OR REPLACE VIEW parcours.order_events
+ CREATE OR REPLACE VIEW parcours.order_events ON CLUSTER 'analytics'
