-- Clear values with the customer resolved when the query runs.
-- The rule is one for all views: the newest of the anchor's row in the map and of the customer at iv; for an anchor that is shared, the
-- customer of the first identifier after it that is not.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.customer_contacts
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    anchor       UUID COMMENT 'Anchor of the event that stated the values.',
    anchor_type  LowCardinality(String) COMMENT 'Type of the anchor\'s identifier.',
    customer_id  UUID COMMENT 'Customer that it belongs to now.',
    customer_id_at_iv UUID COMMENT 'Customer that it belonged to at iv.',
    iv           Int64 COMMENT 'Position in the evidence log that customer_id was resolved at; 0 when no evidence was needed.',
    stand_ins    Array(UUID) COMMENT 'Nodes of the event\'s identifiers after the anchor, strongest first; the first that is not shared stands for it when the anchor is.',
    source       LowCardinality(String) COMMENT 'Emitter that stated the values.',
    channel      LowCardinality(String) COMMENT 'Where they were stated.',
    content      UInt64 COMMENT 'Hash of the values: the same values from the same source stay one row.',
    event_id     UUID COMMENT 'Last event that stated these values.',
    occurred_at  DateTime64(3, 'UTC') COMMENT 'When that event happened.',
    received_at  DateTime64(3, 'UTC') COMMENT 'When the collector received it.',
    user_id      String COMMENT 'The customer\'s own reference at the retailer, as sent; empty when not stated.',
    loyalty_card String COMMENT 'Loyalty card number as sent; empty when not stated.',
    email        String COMMENT 'E-mail address as typed; empty when not stated.',
    phone        String COMMENT 'Telephone number as typed; empty when not stated.',
    civility     LowCardinality(String) COMMENT 'Form of address as sent (M, MME, ...); empty when not stated.',
    first_name   String COMMENT 'First name as typed; empty when not stated.',
    last_name    String COMMENT 'Last name in use, as typed; empty when not stated.',
    full_name    String COMMENT 'Whole name when the sender does not split it; empty when not stated.',
    gender       LowCardinality(String) COMMENT 'Gender as declared; empty when not stated.',
    birth_date   Nullable(Date32) COMMENT 'Date of birth; null when not stated or not a whole date.',
    street       String COMMENT 'Street line of the postal address; empty when not stated.',
    postal_code  String COMMENT 'Postcode as typed, five characters in France; empty when not stated.',
    city         String COMMENT 'Town of the postal address; empty when not stated.',
    region       String COMMENT 'State or region of the postal address; empty when not stated.',
    country      LowCardinality(String) COMMENT 'Country of the postal address, as sent; empty when not stated.',
    company      String COMMENT 'Employer or company named by the sender; empty when not stated.',
    title        String COMMENT 'Job title named by the sender; empty when not stated.',
    version      UInt64 COMMENT 'Order of the rows: time of the event, then its identity.',
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
    e.anchor_type AS anchor_type,
    multiIf(known.3 AND moved != toUUID('00000000-0000-0000-0000-000000000000'), moved, known.3, stand_in, known.2 > e.iv, known.1, e.customer_id) AS customer_id,
    e.customer_id AS customer_id_at_iv,
    e.iv AS iv,
    e.stand_ins AS stand_ins,
    e.source AS source,
    e.channel AS channel,
    e.content AS content,
    e.event_id AS event_id,
    e.occurred_at AS occurred_at,
    e.received_at AS received_at,
    e.user_id AS user_id,
    e.loyalty_card AS loyalty_card,
    e.email AS email,
    e.phone AS phone,
    e.civility AS civility,
    e.first_name AS first_name,
    e.last_name AS last_name,
    e.full_name AS full_name,
    e.gender AS gender,
    e.birth_date AS birth_date,
    e.street AS street,
    e.postal_code AS postal_code,
    e.city AS city,
    e.region AS region,
    e.country AS country,
    e.company AS company,
    e.title AS title,
    e.version AS version,
    e._topic AS _topic,
    e._partition AS _partition,
    e._offset AS _offset,
    e._produced_at AS _produced_at,
    e._ingested_at AS _ingested_at
FROM parcours.contacts AS e
COMMENT 'Clear values with the customer of now; as restricted as contacts. Until merges, an older version of the same values may stand beside the last; golden_contacts has one row per customer.';
