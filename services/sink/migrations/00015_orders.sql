-- Orders: aggregated by order; the customer is that of the event that placed it.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.orders
(
    workspace      LowCardinality(String) COMMENT 'Tenant.',
    order_id       String COMMENT 'Order or ticket; store/register/receipt for a ticket that names no order.',
    customer_id    UUID COMMENT 'Customer that the event which placed the order belongs to now.',
    anchor         UUID COMMENT 'Anchor of the event that placed the order.',
    status         LowCardinality(String) COMMENT 'completed, partially_refunded, refunded or cancelled.',
    occurred_at    DateTime64(3, 'UTC') COMMENT 'When the order was placed.',
    channel        LowCardinality(String) COMMENT 'Where it was placed.',
    source         LowCardinality(String) COMMENT 'Emitter of the event that placed it.',
    store_id       LowCardinality(String) COMMENT 'Shop; empty for an order placed at a distance.',
    register_id    LowCardinality(String) COMMENT 'Till.',
    receipt_id     String COMMENT 'Ticket number.',
    business_date  Nullable(Date32) COMMENT 'Accounting day of the till.',
    affiliation    LowCardinality(String) COMMENT 'Shop or partner named by the sender.',
    currency       LowCardinality(String) COMMENT 'ISO 4217 code of every amount of the order.',
    total          Decimal(38, 4) COMMENT 'What was to be paid, shipping and tax included, as last stated; the sum of the lines when no amount was.',
    revenue        Decimal(38, 4) COMMENT 'Total less shipping and tax, discounts deducted, as last stated.',
    shipping       Decimal(38, 4) COMMENT 'Shipping; 0 when not stated.',
    tax            Decimal(38, 4) COMMENT 'Tax; 0 when not stated.',
    discount       Decimal(38, 4) COMMENT 'Discount on the whole; 0 when not stated.',
    coupon         LowCardinality(String) COMMENT 'Coupon of the order.',
    payment_method LowCardinality(String) COMMENT 'Means of payment: as stated, else the first of the ticket.',
    lines          UInt32 COMMENT 'Product lines.',
    quantity       Decimal(38, 4) COMMENT 'Sum of the quantities of the lines; a line without quantity counts 1.',
    refunded_total Decimal(38, 4) COMMENT 'Paid back so far, at most the total of a known order; the whole total when a refund stated no amount.',
    net_total      Decimal(38, 4) COMMENT 'Total less what was paid back; 0 when cancelled. Negative for a refund of an order that was never seen.',
    net_revenue    Decimal(38, 4) COMMENT 'Revenue, reduced in the proportion of net_total to total.',
    refunded_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'Last refund; null when there was none.',
    cancelled_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'Cancellation; null when there was none.',
    event_id       UUID COMMENT 'Event that placed the order.'
)
AS WITH
    (name IN ('Order Completed', 'Completed Order', 'Order Updated', 'Updated Order')) AS is_order,
    (name IN ('Order Refunded', 'Refunded Order')) AS is_refund,
    (name IN ('Order Cancelled', 'Cancelled Order')) AS is_cancellation,
    -- The sum of the lines; null without a price, so that it never passes for an amount of zero.
    if(arrayExists(p -> p IS NOT NULL, `items.price`),
        arraySum((p, q, d) -> multiplyDecimal(toDecimal128(ifNull(p, 0), 4), toDecimal128(ifNull(q, 1), 4), 4) - toDecimal128(ifNull(d, 0), 4), `items.price`, `items.quantity`, `items.discount`),
        NULL) AS line_total,
    toDecimal128(ifNull(e.shipping, 0), 4) + toDecimal128(ifNull(e.tax, 0), 4) AS added,
    coalesce(toDecimal128(e.total, 4), toDecimal128(e.revenue, 4) + added, toDecimal128(e.value, 4), toDecimal128(e.subtotal, 4) + added, line_total) AS stated_total,
    coalesce(toDecimal128(e.revenue, 4), stated_total - added) AS stated_revenue,
    abs(coalesce(toDecimal128(e.total, 4), toDecimal128(e.revenue, 4), toDecimal128(e.value, 4), line_total)) AS stated_refund,
    (e.occurred_at, e.received_at, e.event_id) AS position
SELECT
    o.workspace AS workspace,
    o.key AS order_id,
    o.placed.12 AS customer_id,
    o.placed.1 AS anchor,
    multiIf(o.cancelled_at IS NOT NULL, 'cancelled', o.refunds = 0, 'completed', o.known AND refunded_total < o.gross, 'partially_refunded', 'refunded') AS status,
    o.placed.2 AS occurred_at,
    o.placed.3 AS channel,
    o.placed.4 AS source,
    o.placed.5 AS store_id,
    o.placed.6 AS register_id,
    o.placed.7 AS receipt_id,
    o.placed.8 AS business_date,
    o.placed.9 AS affiliation,
    o.placed.10 AS currency,
    o.gross AS total,
    o.earned AS revenue,
    toDecimal128(ifNull(o.stated.1, 0), 4) AS shipping,
    toDecimal128(ifNull(o.stated.2, 0), 4) AS tax,
    toDecimal128(ifNull(o.stated.3, 0), 4) AS discount,
    o.stated.4 AS coupon,
    o.stated.5 AS payment_method,
    toUInt32(length(o.quantities)) AS lines,
    arraySum(q -> toDecimal128(ifNull(q, 1), 4), o.quantities) AS quantity,
    multiIf(o.refunds = 0, toDecimal128(0, 4), NOT o.known, o.refunded, o.whole_refunds > 0, o.gross, least(o.gross, o.refunded)) AS refunded_total,
    if(o.cancelled_at IS NOT NULL, toDecimal128(0, 4), o.gross - refunded_total) AS net_total,
    multiIf(o.cancelled_at IS NOT NULL, toDecimal128(0, 4), o.refunds = 0, o.earned, o.gross = 0, net_total, toDecimal128(divideDecimal(multiplyDecimal(o.earned, net_total, 8), o.gross, 4), 4)) AS net_revenue,
    o.refunded_at AS refunded_at,
    o.cancelled_at AS cancelled_at,
    o.placed.11 AS event_id
FROM
(
    SELECT
        e.workspace AS workspace,
        if(e.order_id != '', e.order_id, concat(e.store_id, '/', e.register_id, '/', e.receipt_id)) AS key,
        -- Who, where and when: the first event that placed the order, or the first refund of an order never seen.
        argMin((e.anchor, e.occurred_at, e.channel, e.source, e.store_id, e.register_id, e.receipt_id, e.business_date, e.affiliation, e.currency, e.event_id, e.customer_id), (NOT is_order, position)) AS placed,
        -- How much: the last event that stated an amount.
        ifNull(argMaxIf(stated_total, position, is_order AND stated_total IS NOT NULL), toDecimal128(0, 4)) AS gross,
        ifNull(argMaxIf(stated_revenue, position, is_order AND stated_total IS NOT NULL), toDecimal128(0, 4)) AS earned,
        argMax((e.shipping, e.tax, e.discount, e.coupon, if(e.payment_method != '', e.payment_method, e.`tender.type`[1])), (is_order AND stated_total IS NOT NULL, is_order, position)) AS stated,
        argMaxIf(e.`items.quantity`, position, is_order AND notEmpty(e.`items.product_id`)) AS quantities,
        countIf(is_order) > 0 AS known,
        -- A refund that was delivered twice was paid back once.
        groupUniqArrayIf((e.event_id, stated_refund), is_refund) AS paid_back,
        length(paid_back) AS refunds,
        arrayCount(r -> r.2 IS NULL, paid_back) AS whole_refunds,
        arraySum(r -> ifNull(r.2, toDecimal128(0, 4)), paid_back) AS refunded,
        maxOrNullIf(e.occurred_at, is_refund) AS refunded_at,
        maxOrNullIf(e.occurred_at, is_cancellation) AS cancelled_at
    FROM parcours.customer_events AS e
    WHERE e.type = 'track'
        AND e.name IN ('Order Completed', 'Completed Order', 'Order Updated', 'Updated Order', 'Order Refunded', 'Refunded Order', 'Order Cancelled', 'Cancelled Order')
        AND (e.order_id != '' OR e.receipt_id != '')
    GROUP BY workspace, key
) AS o
WHERE o.known OR o.refunds > 0
COMMENT 'One row per order or ticket, web and tills alike, with refunds and cancellations. Sum net_total or net_revenue to count what was kept.';
