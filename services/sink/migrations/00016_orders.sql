-- Orders: aggregated by order; the customer is that of the event that placed it.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.orders
(
    workspace       LowCardinality(String) COMMENT 'Tenant.',
    order_id        String COMMENT 'Order or ticket as numbered by the sender; store/register/day/receipt for a ticket that names no order. Shops and website may use one number twice: order_key is the unique one.',
    order_key       String COMMENT 'Identity of the order in the workspace, to join on: order_id at a distance, store/order_id in a shop, store/register/day/receipt for a ticket.',
    customer_id     UUID COMMENT 'Customer that the event which placed the order belongs to now.',
    shared          Bool COMMENT 'Whether customer_id is a shared identifier, as a kiosk, and no person.',
    anchor          UUID COMMENT 'Anchor of the event that placed the order.',
    anchor_type     LowCardinality(String) COMMENT 'Type of the anchor\'s identifier; till_record when the ticket names nobody.',
    status          LowCardinality(String) COMMENT 'completed, partially_refunded, refunded or cancelled.',
    occurred_at     DateTime64(3, 'UTC') COMMENT 'When the order was placed.',
    local_date      Date32 COMMENT 'Day of the order: the till\'s accounting day, else the date in the shop\'s or visitor\'s time, else in UTC.',
    channel         LowCardinality(String) COMMENT 'Where it was placed.',
    source          LowCardinality(String) COMMENT 'Emitter of the event that placed it.',
    store_id        LowCardinality(String) COMMENT 'Shop; empty for an order placed at a distance.',
    register_id     LowCardinality(String) COMMENT 'Till.',
    receipt_id      String COMMENT 'Ticket number.',
    business_date   Nullable(Date32) COMMENT 'Accounting day of the till; null when not stated.',
    affiliation     LowCardinality(String) COMMENT 'Shop or partner named by the sender.',
    cart_id         String COMMENT 'Cart that became the order; empty when not stated.',
    currency        LowCardinality(String) COMMENT 'ISO 4217 code of every amount of the order; empty for a refund without currency of an order that was never seen.',
    total           Decimal(38, 4) COMMENT 'What was to be paid, shipping and tax included, as last stated; the sum of the lines when no amount was.',
    revenue         Decimal(38, 4) COMMENT 'Total less shipping and tax, discounts deducted, as last stated.',
    shipping        Decimal(38, 4) COMMENT 'Shipping; 0 when not stated.',
    tax             Decimal(38, 4) COMMENT 'Tax; 0 when not stated.',
    discount        Decimal(38, 4) COMMENT 'Discount on the whole; 0 when not stated.',
    coupon          LowCardinality(String) COMMENT 'Coupon of the order.',
    payment_method  LowCardinality(String) COMMENT 'Means of payment: as stated, else the first of the ticket.',
    lines           UInt32 COMMENT 'Product lines.',
    quantity        Decimal(38, 4) COMMENT 'Sum of the quantities of the lines; a line without quantity counts 1.',
    refunded_total  Decimal(38, 4) COMMENT 'Paid back so far in the order\'s currency, what was paid back in another converted by the rates of its day and of the order\'s; at most the total of a known order; the whole total when a refund stated no amount.',
    foreign_refunds Map(String, Decimal(38, 4)) COMMENT 'Paid back in other currencies than the order\'s, by currency, as far as it could not be converted; not deducted from net_total. Empty without any.',
    net_total       Decimal(38, 4) COMMENT 'Total less refunded_total; 0 when cancelled. Negative for a refund of an order that was never seen.',
    net_revenue     Decimal(38, 4) COMMENT 'Revenue, reduced in the proportion of net_total to total.',
    money_currency  LowCardinality(String) COMMENT 'Currency of the workspace, that of the three amounts that follow; empty when the order was not converted.',
    money_total     Nullable(Decimal(38, 4)) COMMENT 'total in money_currency, by the rate of the day that it was stated; null when it was not converted.',
    money_net_total Nullable(Decimal(38, 4)) COMMENT 'net_total in money_currency, by that rate; null when it was not converted.',
    money_net_revenue Nullable(Decimal(38, 4)) COMMENT 'net_revenue in money_currency, by that rate; null when it was not converted.',
    refunded_at     Nullable(DateTime64(3, 'UTC')) COMMENT 'Last refund; null when there was none.',
    cancelled_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'Cancellation; null when there was none.',
    event_id        UUID COMMENT 'Event that placed the order.'
)
AS SELECT
    o.workspace AS workspace,
    o.placed.14 AS order_id,
    o.order_key AS order_key,
    o.placed.11 AS customer_id,
    o.placed.12 AS shared,
    o.placed.1 AS anchor,
    o.placed.13 AS anchor_type,
    multiIf(o.cancelled_at IS NOT NULL, 'cancelled', o.refunds = 0, 'completed', o.known AND refunded_total < o.gross, 'partially_refunded', 'refunded') AS status,
    o.placed.2 AS occurred_at,
    o.placed.15 AS local_date,
    o.placed.3 AS channel,
    o.placed.4 AS source,
    o.placed.5 AS store_id,
    o.placed.6 AS register_id,
    o.placed.7 AS receipt_id,
    o.placed.8 AS business_date,
    o.placed.9 AS affiliation,
    o.cart AS cart_id,
    o.own_currency AS currency,
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
    mapFromArrays(o.foreign_currencies, arrayMap(c -> arraySum(r -> if(r.3 = c, ifNull(r.2, toDecimal128(0, 4)), toDecimal128(0, 4)), o.foreign), o.foreign_currencies)) AS foreign_refunds,
    if(o.cancelled_at IS NOT NULL, toDecimal128(0, 4), o.gross - refunded_total) AS net_total,
    multiIf(o.cancelled_at IS NOT NULL, toDecimal128(0, 4), refunded_total = 0, o.earned, o.gross = 0, net_total, toDecimal128(divideDecimal(multiplyDecimal(o.earned, net_total, 8), o.gross, 4), 4)) AS net_revenue,
    if(o.known, o.converted.3, if(o.unseen_money, o.paid_back[1].5, '')) AS money_currency,
    if(o.known, o.converted.1, if(o.unseen_money, toDecimal128(0, 4), NULL)) AS money_total,
    multiIf(NOT o.known, if(o.unseen_money, if(o.cancelled_at IS NOT NULL, toDecimal128(0, 4), -arraySum(r -> ifNull(r.4, toDecimal128(0, 4)), o.paid_back)), NULL),
        o.converted.1 IS NULL, NULL, o.cancelled_at IS NOT NULL, toDecimal128(0, 4), refunded_total = 0, o.converted.1,
        toDecimal128(divideDecimal(multiplyDecimal(assumeNotNull(o.converted.1), net_total, 8), o.gross, 4), 4)) AS money_net_total,
    multiIf(NOT o.known, money_net_total, o.converted.2 IS NULL, NULL, o.cancelled_at IS NOT NULL, toDecimal128(0, 4), refunded_total = 0, o.converted.2,
        toDecimal128(divideDecimal(multiplyDecimal(assumeNotNull(o.converted.2), net_total, 8), o.gross, 4), 4)) AS money_net_revenue,
    o.refunded_at AS refunded_at,
    o.cancelled_at AS cancelled_at,
    o.placed.10 AS event_id
FROM
(
    WITH
        (e.kind IN ('placed', 'changed')) AS is_order,
        (e.kind = 'refunded') AS is_refund,
        e.position AS position
    SELECT
        e.workspace AS workspace,
        e.order_key AS order_key,
        -- Who, where and when: the first event that placed the order, or else changed it, or the first refund of an order never seen.
        argMin((e.anchor, e.occurred_at, e.channel, e.source, e.store_id, e.register_id, e.receipt_id, e.business_date, e.affiliation, e.event_id, e.customer_id, e.shared, e.anchor_type, e.order_id, e.local_date),
            bitShiftLeft(toUInt128(indexOf(['placed', 'changed', 'refunded', 'cancelled'], toString(e.kind))), 112) + position) AS placed,
        argMinIf(e.cart_id, position, e.cart_id != '') AS cart,
        -- How much: the last event that stated an amount; its currency is the order's.
        ifNull(argMaxIf(e.stated_total, position, is_order AND e.stated_total IS NOT NULL), toDecimal128(0, 4)) AS gross,
        ifNull(argMaxIf(e.stated_revenue, position, is_order AND e.stated_total IS NOT NULL), toDecimal128(0, 4)) AS earned,
        argMax((e.shipping, e.tax, e.discount, e.coupon, e.payment_method), bitShiftLeft(toUInt128(is_order AND e.stated_total IS NOT NULL), 113) + bitShiftLeft(toUInt128(is_order), 112) + position) AS stated,
        argMaxIf(e.`items.quantity`, position, is_order AND notEmpty(e.`items.product_id`)) AS quantities,
        countIf(is_order) > 0 AS known,
        multiIf(countIf(is_order AND e.stated_total IS NOT NULL) > 0, argMaxIf(toString(e.currency), position, is_order AND e.stated_total IS NOT NULL),
            countIf(is_order AND e.currency != '') > 0, argMinIf(toString(e.currency), position, is_order AND e.currency != ''),
            argMinIf(toString(e.currency), position, is_refund AND e.currency != '')) AS own_currency,
        -- The same in the currency of the workspace, of the same event.
        argMaxIf((if(e.money_currency = '', NULL, e.money_total), if(e.money_currency = '', NULL, e.money_revenue), toString(e.money_currency)), position, is_order AND e.stated_total IS NOT NULL) AS converted,
        -- A refund that was delivered twice was paid back once.
        groupUniqArrayIf((e.event_id, e.stated_refund, toString(e.currency), e.money_refund, toString(e.money_currency)), is_refund) AS paid_back,
        length(paid_back) AS refunds,
        arrayCount(r -> r.2 IS NULL, paid_back) AS whole_refunds,
        NOT known AND notEmpty(paid_back) AND arrayAll(r -> r.4 IS NOT NULL AND r.5 != '' AND r.5 = paid_back[1].5, paid_back) AS unseen_money,
        -- What was paid back in another currency counts when both it and the order were converted into a third.
        arrayMap(r -> (r.1, r.2, r.3, if(r.4 IS NOT NULL AND r.5 != '' AND r.5 = converted.3 AND ifNull(converted.1 > 0, false),
            divideDecimal(multiplyDecimal(ifNull(r.4, toDecimal128(0, 4)), gross, 8), if(ifNull(converted.1 > 0, false), assumeNotNull(converted.1), toDecimal128(1, 4)), 4), NULL)),
            arrayFilter(r -> r.2 IS NOT NULL AND r.3 NOT IN (own_currency, ''), paid_back)) AS elsewhere,
        arrayFilter(r -> r.4 IS NULL, elsewhere) AS foreign,
        arraySort(arrayDistinct(arrayMap(r -> r.3, foreign))) AS foreign_currencies,
        arraySum(r -> if(r.3 IN (own_currency, ''), ifNull(r.2, toDecimal128(0, 4)), toDecimal128(0, 4)), paid_back)
            + arraySum(r -> toDecimal128(ifNull(r.4, toDecimal128(0, 4)), 4), elsewhere) AS refunded,
        maxOrNullIf(e.occurred_at, is_refund) AS refunded_at,
        maxOrNullIf(e.occurred_at, e.kind = 'cancelled') AS cancelled_at
    FROM parcours.order_events AS e
    GROUP BY workspace, order_key
) AS o
WHERE o.known OR o.refunds > 0
COMMENT 'One row per order or ticket, web and tills alike, with refunds and cancellations. Sum net_total or net_revenue of one currency, or money_net_total or money_net_revenue over all currencies, to count what was kept.';
