- CREATE OR REPLACE VIEW parcours.identifiers
+ CREATE OR REPLACE VIEW parcours.identifiers ON CLUSTER 'analytics'
