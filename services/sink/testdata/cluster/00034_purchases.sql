- CREATE OR REPLACE VIEW parcours.purchases
+ CREATE OR REPLACE VIEW parcours.purchases ON CLUSTER 'analytics'
