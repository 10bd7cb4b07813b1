-- Latest customer of each node, in memory. A refresh reads only the nodes that changed since the last one, each with all its versions,
-- so that a redelivered old version cannot win. A server refreshes it by LIFETIME; the sink also reloads it after each insert.
-- The server writes the time of the last refresh in its own time zone and compares it with a column in UTC: the lag is the 14 hours that a
-- zone may be ahead, and an hour for clocks that differ. A refresh never forgets: squash makes the dictionary anew.
-- All attributes of a key stand together, so that one call reads them from one state of the map.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE DICTIONARY parcours.identity_map_dict
(
    workspace String,
    node      UUID,
    canonical UUID,
    version   UInt64,
    shared    Bool
)
PRIMARY KEY workspace, node
SOURCE(CLICKHOUSE(
    QUERY 'SELECT workspace, node, argMax(m.canonical, m.version) AS canonical, max(m.version) AS version, argMax(m.shared, m.version) AS shared FROM parcours.identity_map AS m WHERE (workspace, node) IN (SELECT workspace, node FROM parcours.identity_map WHERE {condition}) GROUP BY workspace, node'
    UPDATE_FIELD '_ingested_at'
    UPDATE_LAG 54000
    INVALIDATE_QUERY 'SELECT max(_ingested_at) FROM parcours.identity_map'
))
LAYOUT(COMPLEX_KEY_HASHED_ARRAY())
LIFETIME(MIN 2 MAX 4)
COMMENT 'Latest customer of each node, as far as events need it. A node that is not there stands as its events say: dictGetOrDefault(''parcours.identity_map_dict'', ''canonical'', (workspace, anchor), customer_id).';
