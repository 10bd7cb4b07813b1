-- Which event belongs to which order. A shop's till and the website may use the same number, and the numbers of tickets start again every
-- day: an order is known by its number and its place. What changes, refunds or cancels an order may come from elsewhere, as a refund in a
-- shop of what was bought online: it belongs to the order of its own place, else to that of the only place where the number was placed.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.order_events
(
    workspace          LowCardinality(String) COMMENT 'Tenant.',
    order_key          String COMMENT 'Order that the event belongs to, as in orders.',
    order_id           String COMMENT 'Number of the order as sent; store/register/day/receipt for a ticket that names no order.',
    kind               LowCardinality(String) COMMENT 'placed (Order Completed), changed (Order Updated), refunded or cancelled.',
    event_id           UUID COMMENT 'Identity of the event.',
    occurred_at        DateTime64(3, 'UTC') COMMENT 'When it happened.',
    received_at        DateTime64(3, 'UTC') COMMENT 'When the collector received it.',
    position           UInt128 COMMENT 'Order of events: time, then identity.',
    local_date         Date32 COMMENT 'Day of the event: the till\'s accounting day, else the date in the shop\'s or visitor\'s time, else in UTC.',
    customer_id        UUID COMMENT 'Customer that the event belongs to now.',
    shared             Bool COMMENT 'Whether customer_id is a shared identifier, and no person.',
    anchor             UUID COMMENT 'Anchor of the event.',
    anchor_type        LowCardinality(String) COMMENT 'Type of the anchor\'s identifier.',
    channel            LowCardinality(String) COMMENT 'Where it happened.',
    source             LowCardinality(String) COMMENT 'Emitter.',
    store_id           LowCardinality(String) COMMENT 'Shop; empty at a distance.',
    register_id        LowCardinality(String) COMMENT 'Till.',
    receipt_id         String COMMENT 'Ticket number.',
    business_date      Nullable(Date32) COMMENT 'Accounting day of the till; null when not stated.',
    affiliation        LowCardinality(String) COMMENT 'Shop or partner named by the sender.',
    cart_id            String COMMENT 'Cart; empty when not stated.',
    currency           LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    stated_total       Nullable(Decimal(38, 4)) COMMENT 'What was to be paid: total, else revenue with shipping and tax, else value, else subtotal with both, else the sum of the lines; null when none was stated.',
    stated_revenue     Nullable(Decimal(38, 4)) COMMENT 'Revenue, else stated_total less shipping and tax; null when neither was stated.',
    stated_refund      Nullable(Decimal(38, 4)) COMMENT 'Of a refund: what was paid back, never negative; null when no amount was stated, which means all of it.',
    money_currency     LowCardinality(String) COMMENT 'Currency of the three amounts that follow: that of the workspace, by the rate of the event\'s day; empty when nothing was converted.',
    money_total        Nullable(Decimal(38, 4)) COMMENT 'stated_total in money_currency; null when it was not converted.',
    money_revenue      Nullable(Decimal(38, 4)) COMMENT 'stated_revenue in money_currency; null when it was not converted.',
    money_refund       Nullable(Decimal(38, 4)) COMMENT 'stated_refund in money_currency; null when it was not converted.',
    shipping           Nullable(Decimal(18, 4)) COMMENT 'Shipping; null when not stated.',
    tax                Nullable(Decimal(18, 4)) COMMENT 'Tax; null when not stated.',
    discount           Nullable(Decimal(18, 4)) COMMENT 'Discount on the whole; null when not stated.',
    coupon             LowCardinality(String) COMMENT 'Coupon.',
    payment_method     LowCardinality(String) COMMENT 'Means of payment: as stated, else the first of the ticket.',
    `items.product_id` Array(LowCardinality(String)) COMMENT 'Product of each line.',
    `items.sku`        Array(LowCardinality(String)) COMMENT 'Stock keeping unit.',
    `items.name`       Array(LowCardinality(String)) COMMENT 'Name of the product.',
    `items.category`   Array(LowCardinality(String)) COMMENT 'Category.',
    `items.brand`      Array(LowCardinality(String)) COMMENT 'Brand.',
    `items.variant`    Array(LowCardinality(String)) COMMENT 'Variant.',
    `items.price`      Array(Nullable(Decimal(18, 4))) COMMENT 'Unit price; null when not stated.',
    `items.quantity`   Array(Nullable(Decimal(18, 4))) COMMENT 'Quantity; null when not stated.',
    `items.discount`   Array(Nullable(Decimal(18, 4))) COMMENT 'Discount on the line; null when not stated.',
    `items.coupon`     Array(LowCardinality(String)) COMMENT 'Coupon used on the line.'
)
AS WITH
    (e.order_id = '') AS is_ticket,
    multiIf(e.name IN ('Order Completed', 'Completed Order'), 'placed', e.name IN ('Order Updated', 'Updated Order'), 'changed', e.name IN ('Order Refunded', 'Refunded Order'), 'refunded', 'cancelled') AS what,
    coalesce(e.business_date, e.calendar_local_date, toDate32(e.occurred_at)) AS day,
    if(is_ticket, concat(e.store_id, '/', e.register_id, '/', e.receipt_id), e.order_id) AS number,
    multiIf(is_ticket, toString(day), e.channel = 'store', concat(e.store_id, '/'), '') AS own,
    if(what = 'placed' OR has(p.places, own) OR length(p.places) != 1, own, p.places[1]) AS place,
    if(is_ticket, concat(e.store_id, '/', e.register_id, '/', place, '/', e.receipt_id), '') AS ticket,
    -- The sum of the lines; null without a price, so that it never passes for an amount of zero.
    if(arrayExists(x -> x IS NOT NULL, e.`items.price`),
        arraySum((x, q, d) -> multiplyDecimal(toDecimal128(ifNull(x, 0), 4), toDecimal128(ifNull(q, 1), 4), 4) - toDecimal128(ifNull(d, 0), 4), e.`items.price`, e.`items.quantity`, e.`items.discount`),
        NULL) AS line_total,
    toDecimal128(ifNull(e.shipping, 0), 4) + toDecimal128(ifNull(e.tax, 0), 4) AS added,
    coalesce(toDecimal128(e.total, 4), toDecimal128(e.revenue, 4) + added, toDecimal128(e.value, 4), toDecimal128(e.subtotal, 4) + added, line_total) AS whole,
    -- The same in the currency of the workspace; the enricher converts no lines, so their sum is by the rate.
    multiplyDecimal(line_total, toDecimal128OrNull(e.money_rate, 10), 4) AS line_money,
    toDecimal128(ifNull(e.money_shipping, 0), 4) + toDecimal128(ifNull(e.money_tax, 0), 4) AS money_added,
    coalesce(toDecimal128(e.money_total, 4), toDecimal128(e.money_revenue, 4) + money_added, toDecimal128(e.money_value, 4), toDecimal128(e.money_subtotal, 4) + money_added, line_money) AS whole_money
SELECT
    e.workspace AS workspace,
    if(is_ticket, ticket, concat(place, e.order_id)) AS order_key,
    if(is_ticket, ticket, e.order_id) AS order_id,
    what AS kind,
    e.event_id AS event_id,
    e.occurred_at AS occurred_at,
    e.received_at AS received_at,
    bitShiftLeft(toUInt128(toUnixTimestamp64Milli(e.occurred_at)), 64) + reinterpretAsUInt64(e.event_id) AS position,
    day AS local_date,
    e.customer_id AS customer_id,
    e.shared AS shared,
    e.anchor AS anchor,
    e.anchor_type AS anchor_type,
    e.channel AS channel,
    e.source AS source,
    e.store_id AS store_id,
    e.register_id AS register_id,
    e.receipt_id AS receipt_id,
    e.business_date AS business_date,
    e.affiliation AS affiliation,
    e.cart_id AS cart_id,
    e.currency AS currency,
    whole AS stated_total,
    coalesce(toDecimal128(e.revenue, 4), whole - added) AS stated_revenue,
    abs(coalesce(toDecimal128(e.total, 4), toDecimal128(e.revenue, 4), toDecimal128(e.value, 4), line_total)) AS stated_refund,
    e.money_currency AS money_currency,
    whole_money AS money_total,
    coalesce(toDecimal128(e.money_revenue, 4), whole_money - money_added) AS money_revenue,
    abs(coalesce(toDecimal128(e.money_total, 4), toDecimal128(e.money_revenue, 4), toDecimal128(e.money_value, 4), line_money)) AS money_refund,
    e.shipping AS shipping,
    e.tax AS tax,
    e.discount AS discount,
    e.coupon AS coupon,
    if(e.payment_method != '', e.payment_method, e.`tender.type`[1]) AS payment_method,
    e.`items.product_id` AS `items.product_id`,
    e.`items.sku` AS `items.sku`,
    e.`items.name` AS `items.name`,
    e.`items.category` AS `items.category`,
    e.`items.brand` AS `items.brand`,
    e.`items.variant` AS `items.variant`,
    e.`items.price` AS `items.price`,
    e.`items.quantity` AS `items.quantity`,
    e.`items.discount` AS `items.discount`,
    e.`items.coupon` AS `items.coupon`
FROM parcours.customer_events AS e
LEFT JOIN
(
    SELECT
        s.workspace AS workspace,
        s.order_id = '' AS is_ticket,
        if(is_ticket, concat(s.store_id, '/', s.register_id, '/', s.receipt_id), s.order_id) AS number,
        groupUniqArray(multiIf(is_ticket, toString(coalesce(s.business_date, s.calendar_local_date, toDate32(s.occurred_at))), s.channel = 'store', concat(s.store_id, '/'), '')) AS places
    FROM parcours.events AS s
    WHERE s.type = 'track' AND s.name IN ('Order Completed', 'Completed Order') AND (s.order_id != '' OR s.receipt_id != '')
    GROUP BY workspace, is_ticket, number
) AS p ON p.workspace = e.workspace AND p.is_ticket = (e.order_id = '') AND p.number = if(e.order_id = '', concat(e.store_id, '/', e.register_id, '/', e.receipt_id), e.order_id)
WHERE e.type = 'track'
    AND e.name IN ('Order Completed', 'Completed Order', 'Order Updated', 'Updated Order', 'Order Refunded', 'Refunded Order', 'Order Cancelled', 'Cancelled Order')
    AND (e.order_id != '' OR e.receipt_id != '')
COMMENT 'Events that place, change, refund or cancel an order, each with its order. A number is looked for in its own place first: the shop, or all that is sold at a distance; for a ticket that names no order, its till and day.';
