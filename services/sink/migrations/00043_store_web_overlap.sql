-- Research online, purchase offline; and the reverse.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.store_web_overlap
REFRESH EVERY 6 HOUR OFFSET 15 MINUTE
(
    workspace               LowCardinality(String) COMMENT 'Tenant.',
    direction               LowCardinality(String) COMMENT 'online_to_store: orders at tills, and visits on the web or in the app before them. store_to_online: orders on the web, in the app or told by their server, and visits to a shop before them.',
    grain                   LowCardinality(String) COMMENT 'What a row is about: store, category (of a store) or product (in all stores). Choose one: their orders overlap.',
    store_id                LowCardinality(String) COMMENT 'Shop: of the order, or of the last visit to one in the 30 days before an order online; empty when there was none, and for products.',
    category                LowCardinality(String) COMMENT 'Category of the lines; empty for the grain store, and for products of none.',
    product_id              String COMMENT 'Product of the lines; empty for the grains store and category.',
    currency                LowCardinality(String) COMMENT 'ISO 4217 code of the amounts.',
    orders                  UInt64 COMMENT 'Orders, cancelled ones left out; for a category or product, those with such a line.',
    customers               UInt64 COMMENT 'Customers who placed them.',
    revenue                 Decimal(38, 4) COMMENT 'Their net_revenue; for a category or product the part of these lines in it, by their amounts.',
    researched_orders       UInt64 COMMENT 'Of these, after a visit on the other side by the same customer in the 30 days before.',
    researched_customers    UInt64 COMMENT 'Customers who placed them.',
    researched_revenue      Decimal(38, 4) COMMENT 'Their revenue.',
    same_category_orders    UInt64 COMMENT 'Of these, with a line of a category that was seen there in that time.',
    same_category_customers UInt64 COMMENT 'Customers who placed them.',
    same_category_revenue   Decimal(38, 4) COMMENT 'Revenue of these lines alone.',
    same_product_orders     UInt64 COMMENT 'Of these, with a line of a product that was seen there in that time.',
    same_product_customers  UInt64 COMMENT 'Customers who placed them.',
    same_product_revenue    Decimal(38, 4) COMMENT 'Revenue of these lines alone.'
)
ENGINE = MergeTree
ORDER BY (workspace, direction, grain, store_id, category, product_id)
EMPTY
AS WITH
    placed AS
    (
        -- A refund of an order that was never seen is no order. What the site's server tells was bought online; what is sold by telephone is neither side.
        SELECT workspace, order_key, customer_id, occurred_at, channel = 'store' AS at_till, toString(store_id) AS store, toString(currency) AS money, net_revenue
        FROM parcours.orders
        WHERE status != 'cancelled' AND NOT (total = 0 AND refunded_total > 0) AND channel IN ('store', 'web', 'app', 'server')
    ),
    seen AS
    (
        SELECT
            e.workspace AS workspace,
            e.customer_id AS customer_id,
            e.occurred_at AS at,
            e.channel = 'store' AS at_till,
            toString(e.store_id) AS store,
            -- Online, what was looked at or put into a cart; in a shop, what was bought or brought back.
            if(at_till OR e.name IN ('Product Viewed', 'Viewed Product', 'Product Clicked', 'Clicked Product', 'Product Added', 'Added Product', 'Product Added to Wishlist', 'Product Shared'), e.`items.product_id`, []) AS products,
            arrayConcat(
                if(empty(products), [], arrayMap(c -> toString(c), e.`items.category`)),
                if(NOT at_till AND e.name IN ('Product List Viewed', 'Viewed Product Category'), [toString(e.list_category)], [])) AS categories
        FROM parcours.customer_events AS e
        WHERE NOT e.shared AND NOT e.device_is_bot AND (e.channel = 'store' OR e.channel IN ('web', 'app') AND e.type IN ('page', 'screen', 'track'))
            -- Nobody asks what was seen by those who never ordered on the other side, and they are most.
            AND (e.workspace, e.customer_id, e.channel = 'store') IN
            (
                SELECT x.workspace, x.customer_id, x.channel != 'store'
                FROM parcours.customer_events AS x
                WHERE x.type = 'track' AND x.name IN ('Order Completed', 'Completed Order', 'Order Updated', 'Updated Order') AND x.channel IN ('store', 'web', 'app', 'server')
            )
    )
SELECT
    l.workspace AS workspace,
    if(l.at_till, 'online_to_store', 'store_to_online') AS direction,
    one.1 AS grain,
    one.2 AS store_id,
    one.3 AS category,
    one.4 AS product_id,
    l.money AS currency,
    uniqExact(l.order_key) AS orders,
    uniqExact(l.customer_id) AS customers,
    sum(l.amount) AS revenue,
    uniqExactIf(l.order_key, l.researched) AS researched_orders,
    uniqExactIf(l.customer_id, l.researched) AS researched_customers,
    sumIf(l.amount, l.researched) AS researched_revenue,
    uniqExactIf(l.order_key, l.same_category) AS same_category_orders,
    uniqExactIf(l.customer_id, l.same_category) AS same_category_customers,
    sumIf(l.amount, l.same_category) AS same_category_revenue,
    uniqExactIf(l.order_key, l.same_product) AS same_product_orders,
    uniqExactIf(l.customer_id, l.same_product) AS same_product_customers,
    sumIf(l.amount, l.same_product) AS same_product_revenue
FROM
(
    SELECT
        p.workspace AS workspace, p.at_till AS at_till, p.order_key AS order_key, p.customer_id AS customer_id, p.money AS money,
        p.category AS category, p.product_id AS product_id, p.amount AS amount,
        v.found AND v.at >= p.occurred_at - INTERVAL 30 DAY AS researched,
        c.found AND c.at >= p.occurred_at - INTERVAL 30 DAY AS same_category,
        i.found AND i.at >= p.occurred_at - INTERVAL 30 DAY AS same_product,
        multiIf(p.at_till, p.store, researched, v.store, '') AS store
    FROM
    (
        -- A row per category and product of each order, with its part of what was kept of the order. What the division leaves over, and all of
        -- an order without amounts, is in a row of neither.
        SELECT
            o.workspace AS workspace, o.order_key AS order_key, o.customer_id AS customer_id, o.occurred_at AS occurred_at, o.at_till AS at_till, o.store AS store, o.money AS money,
            line.1 AS category, line.2 AS product_id, line.3 AS amount
        FROM
        (
            SELECT
                d.*,
                arrayMap(x -> (x.1, x.2, if(b.amounts > 0, toDecimal128(divideDecimal(multiplyDecimal(d.net_revenue, x.3, 8), b.amounts, 4), 4), toDecimal128(0, 4))), b.lines) AS parts
            FROM placed AS d
            LEFT JOIN
            (
                SELECT g.workspace AS workspace, g.order_key AS order_key, groupArray((g.category, g.product_id, g.amount)) AS lines, sum(g.amount) AS amounts
                FROM
                (
                    SELECT
                        r.workspace AS workspace, r.order_key AS order_key, toString(r.category) AS category, r.product_id AS product_id,
                        sum(ifNull(r.amount, toDecimal128(0, 4))) AS amount
                    FROM parcours.order_items AS r
                    GROUP BY workspace, order_key, category, product_id
                ) AS g
                GROUP BY workspace, order_key
            ) AS b ON b.workspace = d.workspace AND b.order_key = d.order_key
        ) AS o
        ARRAY JOIN arrayPushBack(o.parts, ('', '', o.net_revenue - arraySum(x -> x.3, o.parts))) AS line
    ) AS p
    -- Each join finds the last such visit that is not after the order.
    ASOF LEFT JOIN
    (
        SELECT s.workspace AS workspace, s.customer_id AS customer_id, NOT s.at_till AS leads_to_till, s.at AS at, max(s.store) AS store, true AS found
        FROM seen AS s GROUP BY workspace, customer_id, leads_to_till, at
    ) AS v ON v.workspace = p.workspace AND v.customer_id = p.customer_id AND v.leads_to_till = p.at_till AND v.at <= p.occurred_at
    ASOF LEFT JOIN
    (
        SELECT s.workspace AS workspace, s.customer_id AS customer_id, NOT s.at_till AS leads_to_till, category, s.at AS at, true AS found
        FROM seen AS s ARRAY JOIN s.categories AS category WHERE category != ''
    ) AS c ON c.workspace = p.workspace AND c.customer_id = p.customer_id AND c.leads_to_till = p.at_till AND c.category = p.category AND c.at <= p.occurred_at
    ASOF LEFT JOIN
    (
        SELECT s.workspace AS workspace, s.customer_id AS customer_id, NOT s.at_till AS leads_to_till, product_id, s.at AS at, true AS found
        FROM seen AS s ARRAY JOIN s.products AS product_id WHERE product_id != ''
    ) AS i ON i.workspace = p.workspace AND i.customer_id = p.customer_id AND i.leads_to_till = p.at_till AND i.product_id = p.product_id AND i.at <= p.occurred_at
) AS l
ARRAY JOIN arrayConcat(
    [('store', l.store, '', '')],
    if(l.category != '' OR l.product_id != '', [('category', l.store, l.category, '')], []),
    if(l.product_id != '', [('product', '', l.category, l.product_id)], [])) AS one
GROUP BY workspace, direction, grain, store_id, category, product_id, currency
COMMENT 'Who looks online and buys in a shop, and the reverse: orders, and those of them after a visit on the other side by the same customer in the 30 days before; by store, category and product. Computed every 6 hours.';
