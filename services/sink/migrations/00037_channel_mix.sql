-- Where each customer buys.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.channel_mix
REFRESH EVERY 15 MINUTE OFFSET 1 MINUTE
(
    workspace      LowCardinality(String) COMMENT 'Tenant.',
    customer_id    UUID COMMENT 'Customer of now who bought.',
    mix            LowCardinality(String) COMMENT 'web_only, store_only, other_only, or multichannel: bought in at least two of the three.',
    orders         UInt64 COMMENT 'Purchases, as in the view purchases.',
    web_orders     UInt64 COMMENT 'Of these, on the website, in the app, or confirmed by their server.',
    app_orders     UInt64 COMMENT 'Of web_orders, in the app.',
    store_orders   UInt64 COMMENT 'In shops.',
    other_orders   UInt64 COMMENT 'Elsewhere, as in the call centre.',
    web_share      Float64 COMMENT 'Share of the purchases that are web_orders, 0 to 1.',
    store_share    Float64 COMMENT 'Share of the purchases that are store_orders, 0 to 1.',
    revenue        Decimal(38, 4) COMMENT 'Revenue of the purchases in currency, refunds deducted, without tax and shipping.',
    web_revenue    Decimal(38, 4) COMMENT 'Of this, of web_orders.',
    store_revenue  Decimal(38, 4) COMMENT 'Of this, of store_orders.',
    other_revenue  Decimal(38, 4) COMMENT 'Of this, of other_orders.',
    currency       LowCardinality(String) COMMENT 'Currency of the amounts: that of the workspace, as in the view purchases; purchases in others that were not converted count as orders only.',
    stores         Array(String) COMMENT 'Shops bought in, sorted.',
    first_channel  LowCardinality(String) COMMENT 'Channel of the first purchase.',
    last_channel   LowCardinality(String) COMMENT 'Channel of the last purchase.',
    first_order_at DateTime64(3, 'UTC') COMMENT 'First purchase.',
    last_order_at  DateTime64(3, 'UTC') COMMENT 'Last purchase.'
)
ENGINE = MergeTree
ORDER BY (workspace, customer_id)
EMPTY
AS SELECT
    p.workspace AS workspace,
    p.customer_id AS customer_id,
    multiIf((web_orders > 0) + (store_orders > 0) + (other_orders > 0) > 1, 'multichannel', web_orders > 0, 'web_only', store_orders > 0, 'store_only', 'other_only') AS mix,
    count() AS orders,
    countIf(p.channel_group = 'web') AS web_orders,
    countIf(p.channel = 'app') AS app_orders,
    countIf(p.channel_group = 'store') AS store_orders,
    countIf(p.channel_group = 'other') AS other_orders,
    web_orders / orders AS web_share,
    store_orders / orders AS store_share,
    sum(ifNull(p.revenue, toDecimal128(0, 4))) AS revenue,
    sumIf(ifNull(p.revenue, toDecimal128(0, 4)), p.channel_group = 'web') AS web_revenue,
    sumIf(ifNull(p.revenue, toDecimal128(0, 4)), p.channel_group = 'store') AS store_revenue,
    sumIf(ifNull(p.revenue, toDecimal128(0, 4)), p.channel_group = 'other') AS other_revenue,
    any(p.currency) AS currency,
    arraySort(groupUniqArrayIf(toString(p.store_id), p.channel_group = 'store' AND p.store_id != '')) AS stores,
    argMin(p.channel, (p.occurred_at, p.order_key)) AS first_channel,
    argMax(p.channel, (p.occurred_at, p.order_key)) AS last_channel,
    min(p.occurred_at) AS first_order_at,
    max(p.occurred_at) AS last_order_at
FROM parcours.purchases AS p
GROUP BY workspace, customer_id
COMMENT 'One row per customer who bought: full web, full store or multichannel, with orders and revenue by channel. Refreshed every 15 minutes.';
