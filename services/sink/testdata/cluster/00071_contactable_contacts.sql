- CREATE OR REPLACE VIEW parcours.contactable_contacts
+ CREATE OR REPLACE VIEW parcours.contactable_contacts ON CLUSTER 'analytics'
