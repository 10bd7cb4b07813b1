-- Traits with the customer resolved when the query runs.
-- The rule is one for all views: the newest of the anchor's row in the map and of the customer at iv; for an anchor that is shared, the
-- customer of the first identifier after it that is not.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.customer_traits
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    anchor       UUID COMMENT 'Anchor of the event that stated the trait.',
    customer_id  UUID COMMENT 'Customer that it belongs to now.',
    customer_id_at_iv UUID COMMENT 'Customer that it belonged to at iv.',
    iv           Int64 COMMENT 'Position in the evidence log that customer_id was resolved at; 0 when no evidence was needed.',
    stand_ins    Array(UUID) COMMENT 'Nodes of the event\'s identifiers after the anchor, strongest first; the first that is not shared stands for it when the anchor is.',
    field        LowCardinality(String) COMMENT 'Name of the trait.',
    source       LowCardinality(String) COMMENT 'Emitter that stated it.',
    value        String COMMENT 'Value: text as it is, anything else as JSON; empty when it was taken back.',
    event_id     UUID COMMENT 'Event that stated it.',
    occurred_at  DateTime64(3, 'UTC') COMMENT 'When that event happened.',
    received_at  DateTime64(3, 'UTC') COMMENT 'When the collector received it.',
    version      UInt64 COMMENT 'Order of the values: time of the event, then its identity.',
    _topic       LowCardinality(String) COMMENT 'Kafka topic the row came from.',
    _partition   Int32 COMMENT 'Kafka partition the row came from.',
    _offset      Int64 COMMENT 'Kafka offset the row came from.',
    _produced_at DateTime64(3, 'UTC') COMMENT 'When the enricher wrote the event to Kafka.',
    _ingested_at DateTime64(3, 'UTC') COMMENT 'When the sink sent the insert that carried the row.'
)
AS WITH
    dictGetOrDefault('parcours.identity_map_dict', ('canonical', 'version', 'shared'), (e.workspace, e.anchor), (e.customer_id, toUInt64(0), false)) AS known,
    ifNull(arrayFirstOrNull(n -> NOT dictGetOrDefault('parcours.identity_map_dict', 'shared', (e.workspace, n), false), e.stand_ins), e.anchor) AS stand_in,
    -- The default is a constant: a cache dictionary that misses some keys of a block answers a default column of other rows.
    dictGetOrDefault('parcours.identity_changes_dict', 'canonical', (e.workspace, stand_in), toUUID('00000000-0000-0000-0000-000000000000')) AS moved
SELECT
    e.workspace AS workspace,
    e.anchor AS anchor,
    multiIf(known.3 AND moved != toUUID('00000000-0000-0000-0000-000000000000'), moved, known.3, stand_in, known.2 > e.iv, known.1, e.customer_id) AS customer_id,
    e.customer_id AS customer_id_at_iv,
    e.iv AS iv,
    e.stand_ins AS stand_ins,
    e.field AS field,
    e.source AS source,
    e.value AS value,
    e.event_id AS event_id,
    e.occurred_at AS occurred_at,
    e.received_at AS received_at,
    e.version AS version,
    e._topic AS _topic,
    e._partition AS _partition,
    e._offset AS _offset,
    e._produced_at AS _produced_at,
    e._ingested_at AS _ingested_at
FROM parcours.traits AS e
COMMENT 'Traits with the customer of now. The greatest version of a field holds; older ones may stand beside it. customers has those that hold.';
