-- The history of the identity graph in the columns of Segment's Profiles Sync, so that queries written for it run here.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.id_graph_updates
(
    segment_id                   UUID COMMENT 'Node whose customer is told; events have it as anchor.',
    canonical_segment_id         UUID COMMENT 'Customer that it belongs to from then on; the node itself when it was created or came off.',
    triggering_event_type        LowCardinality(String) COMMENT 'Type of the event that caused it; empty when an operator or a rule did, or when the event is no longer kept.',
    triggering_event_id          Nullable(UUID) COMMENT 'Event that caused it; null when an operator or a rule did.',
    triggering_event_name        LowCardinality(String) COMMENT 'Name of that event.',
    triggering_event_source_id   LowCardinality(String) COMMENT 'Emitter of that event.',
    triggering_event_source_name LowCardinality(String) COMMENT 'Emitter of that event.',
    triggering_event_source_slug LowCardinality(String) COMMENT 'Emitter of that event.',
    timestamp                    DateTime64(3, 'UTC') COMMENT 'When the node was first seen, or when the evidence was written; not unique for a node: order by seq.',
    seq                          UInt64 COMMENT 'Order of what is told of a node, to sort by: the evidence position, 0 for its creation.',
    id                           UUID COMMENT 'Identity of the row.',
    uuid_ts                      DateTime64(3, 'UTC') COMMENT 'When the row came in.',
    received_at                  DateTime64(3, 'UTC') COMMENT 'The same as timestamp.',
    workspace                    LowCardinality(String) COMMENT 'Tenant.',
    reason                       LowCardinality(String) COMMENT 'created, or the reason in identity_changes.',
    previous_segment_id          UUID COMMENT 'Customer before.'
)
AS SELECT
    u.node AS segment_id,
    u.canonical AS canonical_segment_id,
    if(u.event.2 != '', u.event.2, toString(t.type)) AS triggering_event_type,
    nullIf(u.event.1, toUUID('00000000-0000-0000-0000-000000000000')) AS triggering_event_id,
    if(u.event.2 != '', u.event.3, toString(t.name)) AS triggering_event_name,
    if(u.event.2 != '', u.event.4, toString(t.source)) AS triggering_event_source_id,
    triggering_event_source_id AS triggering_event_source_name,
    triggering_event_source_id AS triggering_event_source_slug,
    u.at AS timestamp,
    u.version AS seq,
    reinterpretAsUUID(sipHash128(u.workspace, u.node, u.version)) AS id,
    u.ingested AS uuid_ts,
    u.at AS received_at,
    u.workspace AS workspace,
    u.reason AS reason,
    u.previous AS previous_segment_id
FROM
(
    SELECT
        i.workspace AS workspace, i.node AS node, i.node AS canonical, toUInt64(0) AS version, 'created' AS reason, i.node AS previous,
        argMinMerge(i.first_event) AS event, CAST(min(i.first_seen), 'DateTime64(3, \'UTC\')') AS at, at AS ingested
    FROM parcours.identifier_sightings AS i
    GROUP BY workspace, node
    UNION ALL
    SELECT
        h.workspace AS workspace, h.node AS node, any(h.canonical) AS canonical, h.version AS version, any(toString(h.reason)) AS reason, any(h.previous) AS previous,
        (any(h.event_id), '', '', '') AS event, any(h.at) AS at, min(h._ingested_at) AS ingested
    FROM parcours.identity_changes AS h
    -- Who names a node without its type, as the rules do, has not seen it.
    WHERE h.type != '' OR (h.workspace, h.node) IN
    (
        SELECT s.workspace, s.node FROM parcours.identifier_sightings AS s
        WHERE (s.workspace, s.node) IN (SELECT x.workspace, x.node FROM parcours.identity_changes AS x WHERE x.type = '')
    )
    GROUP BY workspace, node, version
) AS u
LEFT ANY JOIN
(
    SELECT e.workspace AS workspace, e.event_id AS event_id, e.type AS type, e.name AS name, e.source AS source
    FROM parcours.events AS e
    WHERE e.event_id IN (SELECT event_id FROM parcours.identity_changes WHERE event_id != toUUID('00000000-0000-0000-0000-000000000000'))
) AS t ON t.workspace = u.workspace AND t.event_id = u.event.1
COMMENT 'Append-only history of the identity graph, as Segment\'s Profiles Sync has it: the creation of each node, and every change of its customer. Order what is told of a node by seq: changes of one millisecond share a timestamp. Nodes that no event carried and that nobody named by type, as values that the rules block, are left out.';
