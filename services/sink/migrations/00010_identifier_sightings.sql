-- Every identifier that an event carried. All states bear a repetition: a row that is delivered twice changes nothing.

-- +goose NO TRANSACTION
-- +goose Up
CREATE TABLE IF NOT EXISTS parcours.identifier_sightings
(
    workspace   LowCardinality(String) COMMENT 'Tenant.',
    node        UUID COMMENT 'Keyed hash of the identifier.',
    type        SimpleAggregateFunction(max, String) COMMENT 'Type of the identifier.',
    first_seen  SimpleAggregateFunction(min, DateTime64(3, 'UTC')) COMMENT 'First event that carried it.',
    last_seen   SimpleAggregateFunction(max, DateTime64(3, 'UTC')) COMMENT 'Last event that carried it.',
    sources     SimpleAggregateFunction(groupUniqArrayArray, Array(String)) COMMENT 'Emitters of these events.',
    events      AggregateFunction(uniqCombined(12), UUID) COMMENT 'State of how many different events carried it, within two percent: uniqCombinedMerge(12)(events).',
    first_event AggregateFunction(argMin, Tuple(UUID, String, String, String), Tuple(DateTime64(3, 'UTC'), UUID)) COMMENT 'State of the first event: argMinMerge(first_event) is its id, type, name and source.'
)
ENGINE = AggregatingMergeTree
ORDER BY (workspace, node)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1
COMMENT 'Sightings of each identifier, to be merged: query identifiers.';
