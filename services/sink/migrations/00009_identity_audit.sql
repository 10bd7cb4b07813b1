-- What identity saw, refused and was told. A record that is delivered twice says the same twice, and fades at merges.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.identity_audit
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    position     UInt64 COMMENT 'Evidence position at which it happened, the version of identity_map.',
    sequence     UInt32 COMMENT 'Order of what happened at one position, from 0.',
    at           DateTime64(3, 'UTC') COMMENT 'When the evidence was written to Kafka.',
    kind         LowCardinality(String) COMMENT 'linked, refused, accepted, hub_raised, hub_lowered, oversize, split, cut, cut_lifted, blocked, allowed, neutral, erased, rules or engine.',
    node         UUID COMMENT 'Node it is about; zero when it is about the whole workspace.',
    type         LowCardinality(String) COMMENT 'Type of that node\'s identifier.',
    other_node   UUID COMMENT 'Other node of the pair, or the customer that came off in a split; zero when there is none.',
    other_type   LowCardinality(String) COMMENT 'Type of the other node\'s identifier.',
    class        UInt8 COMMENT 'Class of the pair: 0 authenticated, 1 declared and verified, 2 typed, 3 inferred.',
    first_seen   DateTime64(3, 'UTC') COMMENT 'When the pair was first seen; 1970 when it is about no pair.',
    limited_by   LowCardinality(String) COMMENT 'Limit that was met: a type of identifier, the types of a hub, or the cap.',
    count        UInt32 COMMENT 'How many there were: nodes, or neighbours.',
    source       LowCardinality(String) COMMENT 'Emitter that showed the evidence.',
    event_id     UUID COMMENT 'Touchpoint that showed it; zero when none did.',
    author       LowCardinality(String) COMMENT 'Operator who ruled, or configuration.',
    reason       String COMMENT 'Why, in the operator\'s words.',
    _topic       LowCardinality(String) COMMENT 'Kafka topic the row came from.',
    _partition   Int32 COMMENT 'Kafka partition the row came from.',
    _offset      Int64 COMMENT 'Kafka offset the row came from.',
    _produced_at DateTime64(3, 'UTC') COMMENT 'When identity wrote the record to Kafka.',
    _ingested_at DateTime64(3, 'UTC') COMMENT 'When the sink sent the insert that carried the row.',
    INDEX by_node node TYPE bloom_filter(0.01) GRANULARITY 4,
    INDEX by_other_node other_node TYPE bloom_filter(0.01) GRANULARITY 4
)
ENGINE = ReplacingMergeTree
ORDER BY (workspace, position, sequence)
TTL toDateTime(at) + INTERVAL 25 MONTH
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
COMMENT 'What identity saw and decided: pairs linked, refused and by which limit, hubs, splits, and what operators ruled.';
