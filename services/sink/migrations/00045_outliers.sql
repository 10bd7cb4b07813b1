-- What deviates: the robust z-score of Iglewicz and Hoaglin, by the median and the median absolute deviation (MAD), which outliers do not move.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.outliers
REFRESH EVERY 1 HOUR OFFSET 27 MINUTE
(
    workspace LowCardinality(String) COMMENT 'Tenant.',
    kind      LowCardinality(String) COMMENT 'order: an amount, among the orders of its channel and currency. store_day: a day of a shop, among its days. source_hour: events of a source in an hour, among the same hour of the day of the last 28 days; of hours that differ from what is usual by fewer than ten events nothing is said.',
    subject   String COMMENT 'Order (its order_key), shop or source.',
    at        DateTime64(3, 'UTC') COMMENT 'When: of the order; the start of the local day, as local_date of orders has it, or of the hour, UTC.',
    value     Float64 COMMENT 'What was found: total of the order, net_total of the day\'s orders, or the number of events that happened in the hour.',
    expected  Float64 COMMENT 'What is usual: the median of those it is compared with.',
    score     Float64 COMMENT 'Robust z-score: 0.6745 * (value - median) / MAD, of logarithms for orders, whose amounts are skewed; below 0 when there is too little. Where MAD is 0 because most are the same: (value - median) / (1.2533 * mean absolute deviation). At least 3.5 either way.',
    why       String COMMENT 'The same in words, with what it is compared with.'
)
ENGINE = MergeTree
ORDER BY (workspace, kind, at, subject)
EMPTY
AS SELECT
    s.workspace AS workspace,
    s.kind AS kind,
    s.subject AS subject,
    s.at AS at,
    s.value AS value,
    round(if(s.kind = 'order', exp(s.median), s.median), 2) AS expected,
    round(multiIf(s.mad > 0, 0.6745 * (s.x - s.median) / s.mad, s.spread > 0, (s.x - s.median) / (1.253314 * s.spread), 0), 2) AS score,
    multiIf(
        s.kind = 'order', concat(toString(s.value), ' ', s.among.2, '; half of ', toString(s.n), ' orders in channel ', s.among.1, ' are above ', toString(expected)),
        s.kind = 'store_day', concat(toString(s.value), ' ', s.among.2, '; half of ', toString(s.n), ' days of this shop are above ', toString(expected)),
        s.value = 0, concat('silent; usual at ', s.among.2, ' h UTC are ', toString(expected), ' events, over ', toString(s.n), ' days'),
        concat(toString(s.value), ' events; usual at ', s.among.2, ' h UTC are ', toString(expected), ', over ', toString(s.n), ' days')) AS why
FROM
(
    SELECT
        d.*,
        quantileExactInclusive(0.5)(d.off) OVER (PARTITION BY d.workspace, d.kind, d.among) AS mad,
        avg(d.off) OVER (PARTITION BY d.workspace, d.kind, d.among) AS spread
    FROM
    (
        SELECT c.*, abs(c.x - c.median) AS off
        FROM
        (
            SELECT
                v.*,
                quantileExactInclusive(0.5)(v.x) OVER (PARTITION BY v.workspace, v.kind, v.among) AS median,
                count() OVER (PARTITION BY v.workspace, v.kind, v.among) AS n
            FROM
            (
                -- A refund later makes no amount unusual; zero has no logarithm.
                SELECT
                    toString(o.workspace) AS workspace, 'order' AS kind, o.order_key AS subject, o.occurred_at AS at,
                    (toString(o.channel), toString(o.currency)) AS among, toFloat64(o.total) AS value, log(toFloat64(o.total)) AS x
                FROM parcours.orders AS o
                WHERE o.total > 0 AND o.status != 'cancelled'
                UNION ALL
                SELECT
                    toString(o.workspace), 'store_day', toString(o.store_id), toDateTime64(o.local_date, 3, 'UTC') AS day,
                    (toString(o.store_id), toString(o.currency)), toFloat64(sum(o.net_total)) AS total, total
                FROM parcours.orders AS o
                WHERE o.store_id != '' AND o.channel = 'store' AND o.status != 'cancelled'
                GROUP BY o.workspace, o.store_id, o.currency, day
                UNION ALL
                -- Hours without an event are there too, from the first event of the source in these 28 days to the last full hour.
                SELECT
                    h.workspace, 'source_hour', h.source, toDateTime64(slot.1, 3, 'UTC'),
                    (h.source, leftPad(toString(toHour(slot.1)), 2, '0')), toFloat64(slot.2), toFloat64(slot.2)
                FROM
                (
                    SELECT
                        workspace, source,
                        min(hour) AS first,
                        mapFromArrays(groupArray(hour), groupArray(events)) AS counts,
                        arrayMap(n -> first + toIntervalHour(n), range(toUInt32(greatest(dateDiff('hour', first, toStartOfHour(now('UTC'))), 0)))) AS hours
                    FROM
                    (
                        SELECT toString(e.workspace) AS workspace, toString(e.source) AS source, toStartOfHour(toDateTime(e.occurred_at, 'UTC')) AS hour, count() AS events
                        FROM parcours.events AS e
                        WHERE e.occurred_at >= toStartOfHour(now('UTC')) - INTERVAL 28 DAY AND e.occurred_at < toStartOfHour(now('UTC'))
                        GROUP BY workspace, source, hour
                    )
                    GROUP BY workspace, source
                ) AS h
                ARRAY JOIN arrayMap(hour -> (hour, h.counts[hour]), h.hours) AS slot
            ) AS v
        ) AS c
        -- Among fewer, nothing is usual.
        WHERE c.n >= if(c.kind = 'order', 20, 7)
    ) AS d
) AS s
-- One event at night is far from none, and nothing to get up for.
WHERE abs(score) >= 3.5 AND (s.kind != 'source_hour' OR abs(s.x - s.median) >= 10)
COMMENT 'What is far from what is usual: orders by amount, days of a shop by takings, hours of a source by events, silence included. Nothing is said of fewer than 20 orders, or 7 days. Computed every hour.';
