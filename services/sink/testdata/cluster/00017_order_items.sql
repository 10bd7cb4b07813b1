- CREATE OR REPLACE VIEW parcours.order_items
+ CREATE OR REPLACE VIEW parcours.order_items ON CLUSTER 'analytics'
