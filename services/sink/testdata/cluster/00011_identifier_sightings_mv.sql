- CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.identifier_sightings_mv TO parcours.identifier_sightings
+ CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.identifier_sightings_mv ON CLUSTER 'analytics' TO parcours.identifier_sightings_local
- FROM parcours.events AS e
+ FROM parcours.events_local AS e
