-- Attributes by the customer of now. A node that is shared is nobody's, and what is said of it counts for no customer.
-- Of self the source that is believed most holds, then the newest value, as in customers; of others the newest record.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.customer_attributes
(
    workspace   LowCardinality(String) COMMENT 'Tenant.',
    customer_id UUID COMMENT 'Customer of now.',
    provider    LowCardinality(String) COMMENT 'Who states it; self is the retailer\'s own events.',
    name        String COMMENT 'Name of the attribute.',
    type        LowCardinality(String) COMMENT 'string, number, boolean or date.',
    value       String COMMENT 'Value as text: toFloat64(value) for a number, toDate32(value) for a date.',
    source      LowCardinality(String) COMMENT 'Emitter of the event that stated it; empty for an import.',
    stated_at   DateTime64(3, 'UTC') COMMENT 'When it was stated: the time of the event, or of the import.',
    party       LowCardinality(String) COMMENT 'first, second or third party.',
    licence     LowCardinality(String) COMMENT 'Licence of the data; empty for the retailer\'s own.',
    purpose     LowCardinality(String) COMMENT 'Purpose that it may be used for. This view shows it whatever the customer agreed to; attributes on events are withheld without consent.',
    valid_until Nullable(DateTime64(3, 'UTC')) COMMENT 'From when on it holds no longer; null when it does not end.',
    node        UUID COMMENT 'Node of the customer that it was stated of.'
)
AS SELECT
    h.workspace AS workspace,
    h.customer_id AS customer_id,
    h.provider AS provider,
    h.name AS name,
    h.best.1 AS type,
    h.best.2 AS value,
    h.best.3 AS source,
    h.best.4 AS stated_at,
    h.best.5 AS party,
    h.best.6 AS licence,
    h.best.7 AS purpose,
    h.best.8 AS valid_until,
    h.best.9 AS node
FROM
(
    WITH
        dictGetOrDefault('parcours.identity_map_dict', ('canonical', 'shared'), (s.workspace, s.node), (s.node, false)) AS known,
        if(s.provider != 'self', (0, 0), if(mapContains(p.rules, s.value.1), p.rules[s.value.1], p.rules['*'])) AS rule
    SELECT
        s.workspace AS workspace,
        known.1 AS customer_id,
        s.provider AS provider,
        s.value.1 AS name,
        argMax((s.value.2, s.value.3, s.value.4, s.value.5, s.party, s.licence, s.purpose, s.valid_until, s.node),
            (if(rule.2 > 0 AND s.value.5 < now() - toIntervalDay(rule.2), least(rule.1, 0), rule.1), s.updated_at, s.value.5, s.value.3, s.node)) AS best
    FROM
    (
        SELECT
            l.workspace AS workspace, l.node AS node, l.provider AS provider, l.last.1 AS party, l.last.2 AS licence, l.last.3 AS purpose, l.last.5 AS valid_until,
            -- Of self the values have times of their own.
            if(l.provider = 'self', value.5, l.last.6) AS updated_at,
            value
        FROM
        (
            SELECT
                a.workspace AS workspace, a.node AS node, toString(a.provider) AS provider,
                argMax((toString(a.party), toString(a.licence), toString(a.purpose), a.valid_from, a.valid_until, a.updated_at, a.deleted,
                    arrayZip(arrayMap(x -> toString(x), a.`values.name`), arrayMap(x -> toString(x), a.`values.type`), a.`values.text`, arrayMap(x -> toString(x), a.`values.source`), a.`values.at`)), a.version) AS last
            FROM parcours.attributes AS a
            WHERE a.subject_kind = 'node'
            GROUP BY workspace, node, provider
        ) AS l
        ARRAY JOIN l.last.8 AS value
        WHERE NOT l.last.7 AND ifNull(l.last.4 <= now64(3), true) AND ifNull(l.last.5 > now64(3), true)
    ) AS s
    LEFT JOIN parcours.source_rules AS p ON p.workspace = s.workspace AND p.source = s.value.4
    WHERE NOT known.2
    GROUP BY workspace, customer_id, provider, name
) AS h
WHERE h.best.1 != 'none'
COMMENT 'What providers say of each customer, one row a provider and attribute: of the records that hold now, the newest. Filter by purpose: what was bought for one may not serve another.';
