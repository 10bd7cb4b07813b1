-- What customer_rfm, channel_mix and retention_cohorts count, so that all of them count the same.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.purchases
(
    workspace     LowCardinality(String) COMMENT 'Tenant.',
    customer_id   UUID COMMENT 'Customer of now.',
    order_key     String COMMENT 'Order or ticket, as in orders.',
    occurred_at   DateTime64(3, 'UTC') COMMENT 'When the order was placed.',
    local_date    Date32 COMMENT 'Day of the order, as in orders.',
    channel       LowCardinality(String) COMMENT 'Where it was placed.',
    channel_group LowCardinality(String) COMMENT 'store; web for the website, the app and their server; other for all else, as the call centre.',
    store_id      LowCardinality(String) COMMENT 'Shop; empty for an order placed at a distance.',
    currency      LowCardinality(String) COMMENT 'The currency of the workspace, where orders were converted into it; else that of most orders, the first by name of several.',
    revenue       Nullable(Decimal(38, 4)) COMMENT 'money_net_revenue of the order, or its net_revenue when it is in that currency anyway; null when it is in another and was not converted.'
)
AS SELECT
    o.workspace AS workspace,
    o.customer_id AS customer_id,
    o.order_key AS order_key,
    o.occurred_at AS occurred_at,
    o.local_date AS local_date,
    o.channel AS channel,
    multiIf(o.channel = 'store', 'store', o.channel IN ('web', 'app', 'server'), 'web', 'other') AS channel_group,
    o.store_id AS store_id,
    m.currency AS currency,
    multiIf(o.money_currency = m.currency AND o.money_net_revenue IS NOT NULL, o.money_net_revenue, o.currency = m.currency, o.net_revenue, NULL) AS revenue
FROM parcours.orders AS o
LEFT JOIN
(
    SELECT c.workspace AS workspace, argMin(c.currency, (NOT c.converted, -toInt64(c.orders), c.currency)) AS currency
    FROM
    (
        SELECT e.workspace AS workspace, toString(if(e.money_currency != '', e.money_currency, e.currency)) AS currency, max(e.money_currency != '') AS converted, uniqExact(e.order_key) AS orders
        FROM parcours.order_events AS e
        WHERE e.kind IN ('placed', 'changed') AND (e.currency != '' OR e.money_currency != '')
        GROUP BY workspace, currency
    ) AS c
    GROUP BY workspace
) AS m ON m.workspace = o.workspace
WHERE o.status IN ('completed', 'partially_refunded') AND NOT o.shared AND o.anchor_type != 'till_record'
COMMENT 'Orders that were kept and whose buyer is somebody: without those cancelled or wholly refunded, tickets that name nobody, and shared identifiers. customer_rfm, channel_mix and retention_cohorts count these.';
