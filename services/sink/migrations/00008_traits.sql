-- Traits, last write wins by field.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.traits
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    anchor       UUID COMMENT 'Anchor of the event that stated the trait.',
    customer_id  UUID COMMENT 'Customer as of iv; customer_traits has the customer of now.',
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
ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, anchor, field, source, stand_ins)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
COMMENT 'What is said of a customer, one value per anchor, field, source and other identifiers: the value with the greatest version holds. customer_traits has the customer of now, and customers the last of each field.';
