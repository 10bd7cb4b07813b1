- CREATE OR REPLACE DICTIONARY parcours.identity_map_dict
+ CREATE OR REPLACE DICTIONARY parcours.identity_map_dict ON CLUSTER 'analytics'
