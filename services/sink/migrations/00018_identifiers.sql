-- Which identifier belongs to whom, since when and why.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.identifiers
(
    workspace       LowCardinality(String) COMMENT 'Tenant.',
    node            UUID COMMENT 'Keyed hash of the identifier; never a clear value.',
    type            LowCardinality(String) COMMENT 'Type of the identifier.',
    customer_id     UUID COMMENT 'Customer that it belongs to now; the node itself when it stands alone.',
    shared          Bool COMMENT 'Whether it is nobody\'s: a hub, or blocked.',
    first_seen      Nullable(DateTime64(3, 'UTC')) COMMENT 'First event that carried it; null when none is kept.',
    last_seen       Nullable(DateTime64(3, 'UTC')) COMMENT 'Last event that carried it; null when none is kept.',
    sources         Array(String) COMMENT 'Emitters of these events, sorted.',
    events          UInt64 COMMENT 'How many different events carried it, within two percent.',
    customer_since  Nullable(DateTime64(3, 'UTC')) COMMENT 'When it came to its customer; null when it has always stood alone.',
    customer_reason LowCardinality(String) COMMENT 'Why: the reason in identity_changes; empty when it has always stood alone.',
    version         UInt64 COMMENT 'Evidence position of that; 0 when it has always stood alone.',
    linked_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was first seen together with another identifier; null when it never was, or longer ago than the audit is kept.',
    linked_node     Nullable(UUID) COMMENT 'That other identifier.',
    linked_type     LowCardinality(String) COMMENT 'Type of that other identifier.',
    linked_class    Nullable(UInt8) COMMENT 'Class of the pair: 0 authenticated, 1 declared and verified, 2 typed, 3 inferred.',
    linked_source   LowCardinality(String) COMMENT 'Emitter that showed the pair.',
    linked_event_id Nullable(UUID) COMMENT 'Touchpoint that showed the pair.'
)
AS SELECT
    n.workspace AS workspace,
    n.node AS node,
    if(n.type != '', n.type, n.map_type) AS type,
    if(n.version > 0, n.canonical, n.node) AS customer_id,
    n.shared AS shared,
    if(n.sightings > 0, n.first_seen, NULL) AS first_seen,
    if(n.sightings > 0, n.last_seen, NULL) AS last_seen,
    arraySort(n.sources) AS sources,
    n.events AS events,
    if(n.version > 0, n.since.1, NULL) AS customer_since,
    if(n.version > 0, n.since.2, '') AS customer_reason,
    if(n.version > 0, n.since.3, 0) AS version,
    if(l.found, l.first.1, NULL) AS linked_at,
    if(l.found, l.first.2, NULL) AS linked_node,
    l.first.3 AS linked_type,
    if(l.found, l.first.4, NULL) AS linked_class,
    l.first.5 AS linked_source,
    if(l.found, l.first.6, NULL) AS linked_event_id
FROM
(
    SELECT
        s.workspace AS workspace,
        s.node AS node,
        max(s.type) AS type,
        max(s.map_type) AS map_type,
        countIf(s.seen) AS sightings,
        minIf(s.first_seen, s.seen) AS first_seen,
        maxIf(s.last_seen, s.seen) AS last_seen,
        groupUniqArrayArray(s.sources) AS sources,
        max(s.events) AS events,
        max(s.version) AS version,
        argMax(s.canonical, s.version) AS canonical,
        argMax(s.shared, s.version) AS shared,
        argMax(s.since, s.version) AS since
    FROM
    (
        SELECT
            i.workspace AS workspace, i.node AS node, max(i.type) AS type, '' AS map_type, true AS seen,
            CAST(min(i.first_seen), 'DateTime64(3, \'UTC\')') AS first_seen, CAST(max(i.last_seen), 'DateTime64(3, \'UTC\')') AS last_seen, groupUniqArrayArray(i.sources) AS sources, uniqCombinedMerge(12)(i.events) AS events,
            toUInt64(0) AS version, toUUID('00000000-0000-0000-0000-000000000000') AS canonical, false AS shared,
            (toDateTime64(0, 3, 'UTC'), '', toUInt64(0)) AS since
        FROM parcours.identifier_sightings AS i
        GROUP BY workspace, node
        UNION ALL
        -- The row that brought the node to the customer it has: the last that changed it.
        SELECT
            h.workspace AS workspace, h.node AS node, '' AS type, max(toString(h.type)) AS map_type, false AS seen,
            toDateTime64(0, 3, 'UTC') AS first_seen, toDateTime64(0, 3, 'UTC') AS last_seen, CAST([], 'Array(String)') AS sources, toUInt64(0) AS events,
            max(h.version) AS version, argMax(h.canonical, h.version) AS canonical, argMax(h.shared, h.version) AS shared,
            argMax((h.at, toString(h.reason), h.version), (h.canonical != h.previous, h.version)) AS since
        FROM parcours.identity_changes AS h
        GROUP BY workspace, node
    ) AS s
    GROUP BY workspace, node
) AS n
LEFT JOIN
(
    SELECT p.workspace AS workspace, p.node AS node, true AS found, argMin((p.at, p.other, p.other_type, p.class, p.source, p.event_id), (p.position, p.sequence)) AS first
    FROM
    (
        SELECT a.workspace AS workspace, a.position AS position, a.sequence AS sequence, one.1 AS node, one.2 AS other, one.3 AS other_type, a.at AS at, a.class AS class, toString(a.source) AS source, a.event_id AS event_id
        FROM parcours.identity_audit AS a
        ARRAY JOIN [(a.node, a.other_node, toString(a.other_type)), (a.other_node, a.node, toString(a.type))] AS one
        WHERE a.kind = 'linked'
    ) AS p
    GROUP BY workspace, node
) AS l ON l.workspace = n.workspace AND l.node = n.node
-- Who names a node without its type, as the rules do, has not seen it.
WHERE n.sightings > 0 OR n.map_type != ''
COMMENT 'One row per identifier ever seen, paired or not: whose it is now, since when and why. Filter by node for one of them, by customer_id for all of a customer.';
