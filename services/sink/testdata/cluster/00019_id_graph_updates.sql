- CREATE OR REPLACE VIEW parcours.id_graph_updates
+ CREATE OR REPLACE VIEW parcours.id_graph_updates ON CLUSTER 'analytics'
