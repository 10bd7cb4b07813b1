-- Order lines: one event of each order states them.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.order_items
(
    workspace   LowCardinality(String) COMMENT 'Tenant.',
    order_id    String COMMENT 'Order or ticket, as in orders.',
    order_key   String COMMENT 'Identity of the order in the workspace, as in orders: join on it.',
    line        UInt32 COMMENT 'Line of the order, from 1.',
    customer_id UUID COMMENT 'Customer that the event which placed the order belongs to now.',
    anchor      UUID COMMENT 'Anchor of the event that placed the order.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When the order was placed.',
    channel     LowCardinality(String) COMMENT 'Where it was placed.',
    source      LowCardinality(String) COMMENT 'Emitter of the event that placed it.',
    store_id    LowCardinality(String) COMMENT 'Shop; empty for an order placed at a distance.',
    product_id  LowCardinality(String) COMMENT 'Product.',
    sku         LowCardinality(String) COMMENT 'Stock keeping unit.',
    name        LowCardinality(String) COMMENT 'Name of the product.',
    category    LowCardinality(String) COMMENT 'Category.',
    brand       LowCardinality(String) COMMENT 'Brand.',
    variant     LowCardinality(String) COMMENT 'Variant.',
    price       Nullable(Decimal(18, 4)) COMMENT 'Unit price; null when not stated.',
    quantity    Nullable(Decimal(18, 4)) COMMENT 'Quantity, in units or in the product\'s measure; null when not stated.',
    discount    Nullable(Decimal(18, 4)) COMMENT 'Discount on the line; null when not stated.',
    coupon      LowCardinality(String) COMMENT 'Coupon used on the line.',
    amount      Nullable(Decimal(38, 4)) COMMENT 'Price by quantity less discount, a missing quantity counting 1; null without a price.',
    currency    LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.'
)
AS SELECT
    o.workspace AS workspace,
    o.placed.8 AS order_id,
    o.order_key AS order_key,
    toUInt32(item.1) AS line,
    o.placed.7 AS customer_id,
    o.placed.1 AS anchor,
    o.placed.2 AS occurred_at,
    o.placed.3 AS channel,
    o.placed.4 AS source,
    o.placed.5 AS store_id,
    item.2 AS product_id,
    item.3 AS sku,
    item.4 AS name,
    item.5 AS category,
    item.6 AS brand,
    item.7 AS variant,
    item.8 AS price,
    item.9 AS quantity,
    item.10 AS discount,
    item.11 AS coupon,
    multiplyDecimal(toDecimal128(item.8, 4), toDecimal128(ifNull(item.9, 1), 4), 4) - toDecimal128(ifNull(item.10, 0), 4) AS amount,
    o.lines.2 AS currency
FROM
(
    WITH e.position AS position
    SELECT
        e.workspace AS workspace,
        e.order_key AS order_key,
        argMin((e.anchor, e.occurred_at, e.channel, e.source, e.store_id, e.currency, e.customer_id, e.order_id), bitShiftLeft(toUInt128(e.kind != 'placed'), 112) + position) AS placed,
        -- One event states the lines and their currency: the last that has any.
        argMaxIf((arrayZip(arrayEnumerate(e.`items.product_id`), e.`items.product_id`, e.`items.sku`, e.`items.name`, e.`items.category`, e.`items.brand`, e.`items.variant`, e.`items.price`, e.`items.quantity`, e.`items.discount`, e.`items.coupon`), e.currency),
            position, notEmpty(e.`items.product_id`)) AS lines
    FROM parcours.order_events AS e
    WHERE e.kind IN ('placed', 'changed')
    GROUP BY workspace, order_key
) AS o
ARRAY JOIN o.lines.1 AS item
COMMENT 'One row per product line of an order or ticket, as last stated; refunds and cancellations are in orders.';
