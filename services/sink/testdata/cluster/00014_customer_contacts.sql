- CREATE OR REPLACE VIEW parcours.customer_contacts
+ CREATE OR REPLACE VIEW parcours.customer_contacts ON CLUSTER 'analytics'
