-- The priorities as the golden records look them up: all fields of a source at once.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.source_rules
(
    workspace LowCardinality(String) COMMENT 'Tenant.',
    source    LowCardinality(String) COMMENT 'Emitter.',
    rules     Map(String, Tuple(Int32, UInt32)) COMMENT 'Priority and fresh_days that hold now, by field; * for the fields without a rule of their own.'
)
AS SELECT
    s.workspace AS workspace,
    s.source AS source,
    CAST(groupArray((s.field, s.rule)), 'Map(String, Tuple(Int32, UInt32))') AS rules
FROM
(
    SELECT q.workspace AS workspace, q.source AS source, toString(q.field) AS field, argMax((q.priority, q.fresh_days), q.version) AS rule
    FROM parcours.source_priorities AS q
    GROUP BY workspace, source, field
) AS s
GROUP BY workspace, source
COMMENT 'One row per source that has priorities: which of its fields are believed how much, and for how long. customers and golden_contacts read it.';
