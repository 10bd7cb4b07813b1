- CREATE OR REPLACE VIEW parcours.golden_contacts
+ CREATE OR REPLACE VIEW parcours.golden_contacts ON CLUSTER 'analytics'
