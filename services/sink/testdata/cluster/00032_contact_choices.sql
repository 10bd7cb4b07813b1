- CREATE OR REPLACE VIEW parcours.contact_choices
+ CREATE OR REPLACE VIEW parcours.contact_choices ON CLUSTER 'analytics'
