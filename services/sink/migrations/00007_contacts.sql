-- Clear contact and civil values. They stand in no other table.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.contacts
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    anchor       UUID COMMENT 'Anchor of the event that stated the values.',
    anchor_type  LowCardinality(String) COMMENT 'Type of the anchor\'s identifier.',
    customer_id  UUID COMMENT 'Customer as of iv; customer_contacts has the customer of now.',
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
ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, anchor, source, content, stand_ins)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
COMMENT 'The only home of clear contact and civil values: one row per anchor, source and set of values, as last stated, and as often as its other identifiers differ. customer_contacts has the customer of now.';
