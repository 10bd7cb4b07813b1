- CREATE OR REPLACE VIEW parcours.contact_facts
+ CREATE OR REPLACE VIEW parcours.contact_facts ON CLUSTER 'analytics'
