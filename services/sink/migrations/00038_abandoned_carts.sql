-- Carts that did not become an order, with what was left in them.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.abandoned_carts
REFRESH EVERY 15 MINUTE OFFSET 2 MINUTE
(
    workspace           LowCardinality(String) COMMENT 'Tenant.',
    customer_id         UUID COMMENT 'Customer of now.',
    cart_key            UUID COMMENT 'Identity of the cart: its first event.',
    cart_id             String COMMENT 'Number of the cart as sent; empty when not stated. A number that is used again after an order is another cart.',
    source              LowCardinality(String) COMMENT 'Emitter of the last activity.',
    channel             LowCardinality(String) COMMENT 'Where the last activity was.',
    started_at          DateTime64(3, 'UTC') COMMENT 'First activity.',
    last_activity_at    DateTime64(3, 'UTC') COMMENT 'Last activity: a product added or removed, the cart or a step of the checkout seen.',
    stage               LowCardinality(String) COMMENT 'How far it came: cart, checkout, or payment (Payment Info Entered).',
    events              UInt64 COMMENT 'Activities.',
    items               UInt64 COMMENT 'Different products left in it.',
    quantity            Decimal(38, 4) COMMENT 'Their quantities; one that was not stated counts 1.',
    value               Nullable(Decimal(38, 4)) COMMENT 'Sum of quantity by last stated price; products without a price are left out. Null when none has one.',
    currency            LowCardinality(String) COMMENT 'ISO 4217 code of value; empty when not stated.',
    products            Array(String) COMMENT 'Products left in it, sorted: product_id, else sku, else name.',
    recovered           Bool COMMENT 'Whether the customer placed an order, anywhere, within seven days of the last activity.',
    recovered_order_key String COMMENT 'The first such order, as in orders; empty without any.',
    recovered_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'When it was placed; null without any.',
    recovered_channel   LowCardinality(String) COMMENT 'Where it was placed; empty without any.'
)
ENGINE = MergeTree
ORDER BY (workspace, customer_id, last_activity_at, cart_key)
EMPTY
AS SELECT
    c.workspace AS workspace,
    c.customer_id AS customer_id,
    c.first_event AS cart_key,
    c.cart_id AS cart_id,
    c.last.1 AS source,
    c.last.2 AS channel,
    c.started_at AS started_at,
    c.last_activity_at AS last_activity_at,
    ['cart', 'checkout', 'payment'][c.stage] AS stage,
    c.events AS events,
    length(c.left_over) AS items,
    arraySum(l -> l.2, c.left_over) AS quantity,
    if(arrayExists(l -> l.3 IS NOT NULL, c.left_over), arraySum(l -> if(l.3 IS NULL, toDecimal128(0, 4), multiplyDecimal(l.2, assumeNotNull(l.3), 4)), c.left_over), NULL) AS value,
    c.currency AS currency,
    arrayMap(l -> l.1, c.left_over) AS products,
    CAST(o.found AND o.occurred_at <= c.last_activity_at + INTERVAL 7 DAY, 'Bool') AS recovered,
    if(recovered, o.order_key, '') AS recovered_order_key,
    if(recovered, o.occurred_at, NULL) AS recovered_at,
    if(recovered, o.channel, '') AS recovered_channel
FROM
(
    SELECT
        g.workspace AS workspace,
        g.customer_id AS customer_id,
        g.cart_id AS cart_id,
        argMin(g.event_id, g.position) AS first_event,
        argMax((g.source, g.channel), g.position) AS last,
        min(g.occurred_at) AS started_at,
        max(g.occurred_at) AS last_activity_at,
        max(g.stage) AS stage,
        count() AS events,
        argMaxIf(g.currency, g.position, g.currency != '' AND notEmpty(g.lines)) AS currency,
        -- A list of the whole cart takes the place of what came before it.
        maxIf(g.position, g.sign = 0 AND notEmpty(g.lines)) AS listed,
        arraySort(groupArrayIf((g.position, g.sign, g.lines), notEmpty(g.lines))) AS changes,
        arrayFlatten(arrayMap(h -> arrayMap(l -> (l.1, if(h.2 < 0, -l.2, l.2), l.3), h.3), arrayFilter(h -> if(h.2 = 0, h.1 = listed, h.1 > listed), changes))) AS moves,
        arrayFilter(l -> l.2 > 0, arrayMap(k -> (k, arraySum(m -> if(m.1 = k, m.2, toDecimal128(0, 4)), moves), arrayLast(m -> m.1 = k AND m.3 IS NOT NULL, moves).3), arraySort(arrayDistinct(arrayMap(m -> m.1, moves))))) AS left_over
    FROM
    (
        SELECT b.*, sum(b.silent) OVER (PARTITION BY b.workspace, b.customer_id, b.cart_id, b.epoch ORDER BY b.position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS run
        FROM
        (
            SELECT f.*,
                f.cart_id = '' AND toUnixTimestamp64Milli(f.occurred_at) - lagInFrame(toUnixTimestamp64Milli(f.occurred_at), 1, toUnixTimestamp64Milli(f.occurred_at))
                    OVER (PARTITION BY f.workspace, f.customer_id, f.cart_id, f.epoch ORDER BY f.position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) > 86400000 AS silent
            FROM
            (
                -- An order that is placed at a distance ends the customer's carts.
                SELECT a.*,
                    sum(a.is_order) OVER (PARTITION BY a.workspace, a.customer_id ORDER BY a.position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS epoch
                FROM
                (
                    SELECT
                        e.workspace AS workspace, e.customer_id AS customer_id, 0 AS is_order, e.occurred_at AS occurred_at, e.event_id AS event_id,
                        bitShiftLeft(toUInt128(toUnixTimestamp64Milli(e.occurred_at)), 65) + reinterpretAsUInt64(e.event_id) AS position, -- an order comes after what happened in its millisecond
                        toString(e.source) AS source, toString(e.channel) AS channel, e.cart_id AS cart_id, toString(e.currency) AS currency,
                        multiIf(e.name = 'Payment Info Entered', 3, startsWith(e.name, 'Checkout'), 2, 1) AS stage,
                        multiIf(e.name = 'Product Added', 1, e.name = 'Product Removed', -1, 0) AS sign,
                        arrayFilter(l -> l.1 != '', arrayMap((p, s, n, q, x) -> (multiIf(p != '', p, s != '', s, n), toDecimal128(ifNull(q, 1), 4), toDecimal128(x, 4)),
                            e.`items.product_id`, e.`items.sku`, e.`items.name`, e.`items.quantity`, e.`items.price`)) AS lines
                    FROM parcours.customer_events AS e
                    WHERE e.type = 'track' AND e.name IN ('Product Added', 'Product Removed', 'Cart Viewed', 'Checkout Started', 'Checkout Step Viewed', 'Checkout Step Completed', 'Payment Info Entered')
                        AND e.channel != 'store' AND NOT e.shared AND NOT e.device_is_bot
                    UNION ALL
                    SELECT
                        p.workspace AS workspace, p.placed.1 AS customer_id, 1 AS is_order, p.placed.2 AS occurred_at, p.placed.3 AS event_id,
                        bitShiftLeft(toUInt128(toUnixTimestamp64Milli(p.placed.2)), 65) + bitShiftLeft(toUInt128(1), 64) AS position,
                        '' AS source, '' AS channel, '' AS cart_id, '' AS currency, 1 AS stage, 0 AS sign, [] AS lines
                    FROM
                    (
                        SELECT e.workspace AS workspace, e.order_key AS order_key, argMin((e.customer_id, e.occurred_at, e.event_id, e.channel), e.position) AS placed
                        FROM parcours.order_events AS e
                        WHERE e.kind = 'placed'
                        GROUP BY workspace, order_key
                    ) AS p
                    WHERE p.placed.4 != 'store'
                ) AS a
            ) AS f
            WHERE f.is_order = 0
        ) AS b
    ) AS g
    GROUP BY workspace, customer_id, cart_id, g.epoch, g.run
) AS c
ASOF LEFT JOIN
(
    SELECT p.workspace AS workspace, p.placed.1 AS customer_id, p.placed.2 AS occurred_at, true AS found, argMin((p.order_key, toString(p.placed.4)), p.order_key) AS which, which.1 AS order_key, which.2 AS channel
    FROM
    (
        SELECT e.workspace AS workspace, e.order_key AS order_key, argMin((e.customer_id, e.occurred_at, e.event_id, e.channel), e.position) AS placed
        FROM parcours.order_events AS e
        WHERE e.kind = 'placed'
        GROUP BY workspace, order_key
    ) AS p
    GROUP BY workspace, customer_id, occurred_at
) AS o ON o.workspace = c.workspace AND o.customer_id = c.customer_id AND o.occurred_at >= c.last_activity_at
WHERE notEmpty(c.left_over) AND c.last_activity_at < now64(3, 'UTC') - INTERVAL 1 HOUR
    AND NOT (o.found AND o.occurred_at <= c.last_activity_at + INTERVAL 1 HOUR)
COMMENT 'Carts with something in them that no order of the customer, anywhere, followed within an hour. A cart is what a customer did under one cart_id until an order at a distance; without cart_id, until such an order or 24 hours of silence. Carts of crawlers and shared identifiers, and those of the last hour, are left out. Refreshed every 15 minutes.';
