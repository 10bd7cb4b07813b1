-- Latest customer of any node, from disk. It answers for the identifiers that stand for a shared anchor: the map in memory may have lost
-- rows that no anchor needs. What was looked up is kept until the map changes, for a query asks block by block: the sink empties it then.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE DICTIONARY parcours.identity_changes_dict
(
    workspace String,
    node      UUID,
    canonical UUID,
    version   UInt64
)
PRIMARY KEY workspace, node
SOURCE(CLICKHOUSE(
    QUERY 'SELECT workspace, node, argMax(c.canonical, c.version) AS canonical, max(c.version) AS version FROM parcours.identity_changes AS c WHERE {condition} GROUP BY workspace, node'
))
LAYOUT(COMPLEX_KEY_CACHE(SIZE_IN_CELLS 262144))
LIFETIME(MIN 2 MAX 4)
COMMENT 'Latest customer of any node, read from identity_changes when it is asked for. A node that is not there is its own customer.';
