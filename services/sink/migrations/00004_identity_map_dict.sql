-- Latest customer of each node, in memory. A refresh reads only the nodes that changed since the last one, each with all its versions,
-- so that a redelivered old version cannot win. A server refreshes it by LIFETIME; the sink also reloads it after each insert.
-- The server writes the time of the last refresh in its own time zone and compares it with a column in UTC: the lag is the 14 hours that a
-- zone may be ahead, and an hour for clocks that differ.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE DICTIONARY parcours.identity_map_dict
(
    workspace String,
    node      UUID,
    canonical UUID,
    version   UInt64
)
PRIMARY KEY workspace, node
SOURCE(CLICKHOUSE(
    QUERY 'SELECT workspace, node, argMax(m.canonical, m.version) AS canonical, max(m.version) AS version FROM parcours.identity_map AS m WHERE (workspace, node) IN (SELECT workspace, node FROM parcours.identity_map WHERE {condition}) GROUP BY workspace, node'
    UPDATE_FIELD '_ingested_at'
    UPDATE_LAG 54000
    INVALIDATE_QUERY 'SELECT max(_ingested_at) FROM parcours.identity_map'
))
LAYOUT(COMPLEX_KEY_HASHED())
LIFETIME(MIN 2 MAX 4)
COMMENT 'Latest customer of each node. A node that is not there is its own customer: dictGetOrDefault(''parcours.identity_map_dict'', ''canonical'', (workspace, anchor), anchor).';
