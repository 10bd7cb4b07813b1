-- Feeds identifier_sightings from inserts into events, with the rights of the user who runs the migrations: who inserts needs none to read.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.identifier_sightings_mv TO parcours.identifier_sightings
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    e.workspace AS workspace,
    one.1 AS node,
    max(toString(one.2)) AS type,
    min(e.occurred_at) AS first_seen,
    max(e.occurred_at) AS last_seen,
    groupUniqArray(toString(e.source)) AS sources,
    uniqCombinedState(12)(e.event_id) AS events,
    argMinState((e.event_id, toString(e.type), toString(e.name), toString(e.source)), (e.occurred_at, e.event_id)) AS first_event
FROM parcours.events AS e
ARRAY JOIN arrayZip(e.`identifiers.node`, e.`identifiers.type`) AS one
GROUP BY workspace, node
COMMENT 'Feeds identifier_sightings from events.';
