-- Quarantine: what could not be processed, and why. The sink drops a rejection that is repeated by its id, as it drops
-- events that are; replay_state is written by parcours rejected.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.rejected_events
(
    rejection_id     UUID COMMENT 'Identity of the rejection; the same fault on the same bytes has the same id.',
    rejected_at      DateTime64(3, 'UTC') COMMENT 'When it was rejected.',
    received_at      Nullable(DateTime64(3, 'UTC')) COMMENT 'When the collector received it; null when unknown.',
    workspace        LowCardinality(String) COMMENT 'Tenant; empty when unknown.',
    source           LowCardinality(String) COMMENT 'Emitter; empty when unknown.',
    stage            LowCardinality(String) COMMENT 'collector, identity, enricher or sink.',
    reason           LowCardinality(String) COMMENT 'Code of the fault, for example missing_identifier.',
    field            LowCardinality(String) COMMENT 'Path of the field at fault.',
    detail           String COMMENT 'Sentence that says what is wrong and what to do; never a value.',
    message_id       String COMMENT 'Identity of the event as sent, when it could be read.',
    type             LowCardinality(String) COMMENT 'Type of the event, when it could be read.',
    name             LowCardinality(String) COMMENT 'Name of the event, when it could be read.',
    content_type     LowCardinality(String) COMMENT 'Media type of the payload.',
    payload          String COMMENT 'Original bytes.',
    origin_topic     LowCardinality(String) COMMENT 'Topic the payload was read from; empty at the collector.',
    origin_partition Nullable(Int32) COMMENT 'Partition the payload was read from.',
    origin_offset    Nullable(Int64) COMMENT 'Offset the payload was read from.',
    origin_key       String COMMENT 'Key of the record the payload was read from: a replay goes to the same partition.',
    replay_state     LowCardinality(String) COMMENT 'pending, replayed or dismissed.',
    replayed_at      Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was replayed or dismissed.',
    _topic           LowCardinality(String) COMMENT 'Kafka topic the row came from.',
    _partition       Int32 COMMENT 'Kafka partition the row came from.',
    _offset          Int64 COMMENT 'Kafka offset the row came from.',
    _schema_id       Int32 COMMENT 'Registry id of the schema the row was written with.',
    _produced_at     DateTime64(3, 'UTC') COMMENT 'When the stage wrote the rejection to Kafka.',
    _ingested_at     DateTime64(3, 'UTC') COMMENT 'When the sink sent the insert that carried the row.',
    INDEX by_message message_id TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_offset _offset TYPE minmax GRANULARITY 1,
    INDEX by_origin_offset origin_offset TYPE minmax GRANULARITY 1
)
ENGINE = MergeTree
PARTITION BY toYYYYMM(rejected_at)
ORDER BY (workspace, stage, reason, rejection_id)
TTL toDateTime(rejected_at) + INTERVAL 3 MONTH
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'What could not be processed, with its reason and its original bytes, kept to be repaired and replayed.';
