-- What is known of people and areas beside their events: the state of the topic attributes. The version is the offset: all records of one key
-- stand in one partition, and Kafka keeps the last. A record that deletes is a row too, so that it wins over what is inserted again after it;
-- the sink takes the rows before it away.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.attributes
(
    workspace       LowCardinality(String) COMMENT 'Tenant.',
    subject_kind    LowCardinality(String) COMMENT 'What is described: node (the keyed hash of an identifier), postcode, commune or iris.',
    node            UUID COMMENT 'The node; zero for an area.',
    code            LowCardinality(String) COMMENT 'Code of the area; empty for a node.',
    provider        LowCardinality(String) COMMENT 'Who states it; self is the retailer\'s own events.',
    party           LowCardinality(String) COMMENT 'first, second or third party.',
    licence         LowCardinality(String) COMMENT 'Licence of the data; empty for the retailer\'s own.',
    purpose         LowCardinality(String) COMMENT 'Purpose that the values may be used for; whoever uses them for another needs a ground of their own.',
    valid_from      Nullable(DateTime64(3, 'UTC')) COMMENT 'From when on the values hold; null when they always did.',
    valid_until     Nullable(DateTime64(3, 'UTC')) COMMENT 'From when on the values hold no longer; null when they do not end.',
    updated_at      DateTime64(3, 'UTC') COMMENT 'When the record last gained something: the time of the newest event, or of the import; of a deletion, when it was written.',
    `values.name`   Array(LowCardinality(String)) COMMENT 'Names of the attributes: of self one for each source, of others one each.',
    `values.type`   Array(LowCardinality(String)) COMMENT 'string, number, boolean or date; none when the source took the value back.',
    `values.text`   Array(String) COMMENT 'Values: text, decimal number, true or false, or year-month-day.',
    `values.source` Array(LowCardinality(String)) COMMENT 'Emitter of the event that stated each; empty for an import.',
    `values.at`     Array(DateTime64(3, 'UTC')) COMMENT 'When each was stated.',
    orders          UInt8 COMMENT 'Of self: orders known by their hashes; 10 stands for ten and more.',
    first_order_at  Nullable(DateTime64(3, 'UTC')) COMMENT 'Of self: time of the earliest order; null without one.',
    deleted         Bool COMMENT 'Whether the record was deleted; it has no values then.',
    version         UInt64 COMMENT 'Order of the records of one subject and provider: their offset.',
    _topic          LowCardinality(String) COMMENT 'Kafka topic the row came from.',
    _partition      Int32 COMMENT 'Kafka partition the row came from.',
    _offset         Int64 COMMENT 'Kafka offset the row came from.',
    _produced_at    DateTime64(3, 'UTC') COMMENT 'When the record was written to Kafka.',
    _ingested_at    DateTime64(3, 'UTC') COMMENT 'When the sink sent the insert that carried the row.'
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (workspace, subject_kind, node, code, provider)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1, min_bytes_for_wide_part = 67108864, default_compression_codec = 'ZSTD(1)'
COMMENT 'What each provider says of each node and area; the row with the greatest version holds, and older ones may stand beside it until they merge. customer_attributes has the customer of now, and what holds today.';
