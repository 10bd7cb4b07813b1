-- Who comes back, by the month of the first purchase.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.retention_cohorts
REFRESH EVERY 15 MINUTE OFFSET 3 MINUTE
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    cohort_month Date32 COMMENT 'First day of the month in which these customers first bought, by the day of the order in the shop\'s or visitor\'s time.',
    months_since UInt32 COMMENT 'Months since then: 0 is the cohort\'s own month. Every month up to as_of has a row, also when nobody came back.',
    customers    UInt64 COMMENT 'Customers of the cohort, the same on all its rows.',
    retained     UInt64 COMMENT 'Of these, bought in that month.',
    retention    Float64 COMMENT 'retained by customers, 0 to 1.',
    orders       UInt64 COMMENT 'Their purchases in that month.',
    revenue      Decimal(38, 4) COMMENT 'Revenue of these in currency, refunds deducted, without tax and shipping.',
    currency     LowCardinality(String) COMMENT 'Currency of revenue: that of most orders of the workspace; purchases in others count as orders only.',
    complete     Bool COMMENT 'Whether the month is over at as_of: the last month of each cohort is not, and looks worse than it is.',
    as_of        Date32 COMMENT 'Today in UTC, or the day of the workspace\'s last purchase where that is later.'
)
ENGINE = MergeTree
ORDER BY (workspace, cohort_month, months_since)
EMPTY
AS SELECT
    g.workspace AS workspace,
    g.cohort_month AS cohort_month,
    g.months_since AS months_since,
    g.customers AS customers,
    m.retained AS retained,
    m.retained / g.customers AS retention,
    m.orders AS orders,
    m.revenue AS revenue,
    g.currency AS currency,
    CAST(toDate32(toStartOfMonth(g.as_of)) > addMonths(g.cohort_month, g.months_since), 'Bool') AS complete,
    g.as_of AS as_of
FROM
(
    SELECT c.workspace AS workspace, c.cohort_month AS cohort_month, c.customers AS customers, c.currency AS currency, c.as_of AS as_of,
        arrayJoin(range(toUInt32(dateDiff('month', c.cohort_month, c.as_of) + 1))) AS months_since
    FROM
    (
        SELECT f.workspace AS workspace, f.month AS cohort_month, count() AS customers, any(f.currency) AS currency,
            max(max(greatest(toDate32(now('UTC')), f.last_date))) OVER (PARTITION BY f.workspace) AS as_of
        FROM
        (
            SELECT p.workspace AS workspace, p.customer_id AS customer_id, any(p.currency) AS currency, max(p.local_date) AS last_date, toDate32(toStartOfMonth(min(p.local_date))) AS month
            FROM parcours.purchases AS p
            GROUP BY workspace, customer_id
        ) AS f
        GROUP BY workspace, cohort_month
    ) AS c
) AS g
LEFT JOIN
(
    SELECT b.workspace AS workspace, b.cohort_month AS cohort_month, b.months_since AS months_since, count() AS retained, sum(b.orders) AS orders, sum(b.revenue) AS revenue
    FROM
    (
        SELECT
            p.workspace AS workspace,
            p.customer_id AS customer_id,
            toDate32(toStartOfMonth(p.local_date)) AS month,
            min(month) OVER (PARTITION BY workspace, customer_id) AS cohort_month,
            toUInt32(dateDiff('month', cohort_month, month)) AS months_since,
            count() AS orders,
            sum(ifNull(p.revenue, toDecimal128(0, 4))) AS revenue
        FROM parcours.purchases AS p
        GROUP BY workspace, customer_id, month
    ) AS b
    GROUP BY workspace, cohort_month, months_since
) AS m ON m.workspace = g.workspace AND m.cohort_month = g.cohort_month AND m.months_since = g.months_since
COMMENT 'Customers by the month of their first purchase, and how many of them bought in each month since. Purchases are those of the view purchases. Refreshed every 15 minutes.';
