- CREATE OR REPLACE DICTIONARY parcours.identity_changes_dict
+ CREATE OR REPLACE DICTIONARY parcours.identity_changes_dict ON CLUSTER 'analytics'
