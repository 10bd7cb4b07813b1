-- Recency, frequency, monetary value.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.customer_rfm
REFRESH EVERY 15 MINUTE OFFSET 1 MINUTE
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    customer_id  UUID COMMENT 'Customer of now who bought.',
    recency_days UInt32 COMMENT 'Days from the last purchase to as_of; 0 for one of that day.',
    frequency    UInt64 COMMENT 'Purchases, as far back as events are kept.',
    monetary     Decimal(38, 4) COMMENT 'Revenue of the purchases, refunds deducted, without tax and shipping; those in other currencies that were not converted are left out.',
    currency     LowCardinality(String) COMMENT 'Currency of monetary: that of the workspace, as in the view purchases.',
    r_score      UInt8 COMMENT 'Fifth of the workspace\'s buyers by recency: 5 the fifth that bought last. Equal values share the fifth of the middle of their group.',
    f_score      UInt8 COMMENT 'Fifth by frequency, in the same way: 5 the fifth with most purchases.',
    m_score      UInt8 COMMENT 'Fifth by monetary value, in the same way: 5 the fifth that spent most.',
    rfm          String COMMENT 'The three scores as one text, for example 543.',
    segment      LowCardinality(String) COMMENT 'By r_score and v, the mean of f_score and m_score rounded up, at most 2 after a single purchase. r 4-5: new (single purchase), champions (v 4-5), potential_loyal. r 3: loyal (v 4-5), about_to_sleep (single purchase), needs_attention. r 1-2: cannot_lose (v 5), at_risk (v 3-4), hibernating (r 2), lost.',
    as_of        Date32 COMMENT 'Day that recency counts to: today in UTC, or the day of the workspace\'s last purchase where that is later.'
)
ENGINE = MergeTree
ORDER BY (workspace, customer_id)
EMPTY
AS WITH if(s.frequency = 1, least(2, intDiv(f_score + m_score + 1, 2)), intDiv(f_score + m_score + 1, 2)) AS v
SELECT
    s.workspace AS workspace,
    s.customer_id AS customer_id,
    s.recency_days AS recency_days,
    s.frequency AS frequency,
    s.monetary AS monetary,
    s.currency AS currency,
    toUInt8(1 + intDiv(5 * (2 * (s.r_rank - 1) + s.r_equal), 2 * s.buyers)) AS r_score,
    toUInt8(1 + intDiv(5 * (2 * (s.f_rank - 1) + s.f_equal), 2 * s.buyers)) AS f_score,
    toUInt8(1 + intDiv(5 * (2 * (s.m_rank - 1) + s.m_equal), 2 * s.buyers)) AS m_score,
    concat(toString(r_score), toString(f_score), toString(m_score)) AS rfm,
    multiIf(
        r_score >= 4 AND s.frequency = 1, 'new', r_score >= 4 AND v >= 4, 'champions', r_score >= 4, 'potential_loyal',
        r_score = 3 AND v >= 4, 'loyal', r_score = 3 AND s.frequency = 1, 'about_to_sleep', r_score = 3, 'needs_attention',
        v = 5, 'cannot_lose', v >= 3, 'at_risk', r_score = 2, 'hibernating', 'lost') AS segment,
    s.as_of AS as_of
FROM
(
    SELECT
        d.workspace AS workspace,
        d.customer_id AS customer_id,
        toUInt32(dateDiff('day', d.last_date, d.as_of)) AS recency_days,
        d.frequency AS frequency,
        d.monetary AS monetary,
        d.currency AS currency,
        d.as_of AS as_of,
        count() OVER (PARTITION BY d.workspace) AS buyers,
        rank() OVER (PARTITION BY d.workspace ORDER BY d.last_date) AS r_rank,
        count() OVER (PARTITION BY d.workspace, d.last_date) AS r_equal,
        rank() OVER (PARTITION BY d.workspace ORDER BY d.frequency) AS f_rank,
        count() OVER (PARTITION BY d.workspace, d.frequency) AS f_equal,
        rank() OVER (PARTITION BY d.workspace ORDER BY d.monetary) AS m_rank,
        count() OVER (PARTITION BY d.workspace, d.monetary) AS m_equal
    FROM
    (
        SELECT
            p.workspace AS workspace,
            p.customer_id AS customer_id,
            max(p.local_date) AS last_date,
            count() AS frequency,
            sum(ifNull(p.revenue, toDecimal128(0, 4))) AS monetary,
            any(p.currency) AS currency,
            max(greatest(toDate32(now('UTC')), last_date)) OVER (PARTITION BY p.workspace) AS as_of
        FROM parcours.purchases AS p
        GROUP BY workspace, customer_id
    ) AS d
) AS s
COMMENT 'Recency, frequency and monetary value of every customer who bought, scored in fifths, with a segment. Purchases are those of the view purchases. Refreshed every 15 minutes.';
