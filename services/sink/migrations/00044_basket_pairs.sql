-- What is bought together. A basket counts a product once; one of n products makes n(n-1)/2 pairs, which the limit of 50 products bounds.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.basket_pairs
REFRESH EVERY 6 HOUR OFFSET 21 MINUTE
(
    workspace     LowCardinality(String) COMMENT 'Tenant.',
    product_a     String COMMENT 'Product; the smaller id of the two, so that each pair is one row.',
    name_a        String COMMENT 'Its name as last sold; empty when never stated.',
    product_b     String COMMENT 'The other product.',
    name_b        String COMMENT 'Its name as last sold; empty when never stated.',
    baskets       UInt64 COMMENT 'Orders and tickets with both; at least 3, and one in 10 000 of all.',
    baskets_a     UInt64 COMMENT 'Those with product_a.',
    baskets_b     UInt64 COMMENT 'Those with product_b.',
    total_baskets UInt64 COMMENT 'All orders and tickets with a product, from any channel. Cancelled ones are left out, and those of more than 50 different products, which are no household\'s basket.',
    support       Float64 COMMENT 'baskets by total_baskets, 0 to 1.',
    confidence_ab Float64 COMMENT 'baskets by baskets_a: the share of those with product_a that have product_b too.',
    confidence_ba Float64 COMMENT 'baskets by baskets_b: the reverse.',
    lift          Float64 COMMENT 'How much oftener they are together than by chance: baskets * total_baskets / (baskets_a * baskets_b). 1 is chance.'
)
ENGINE = MergeTree
ORDER BY (workspace, product_a, product_b)
EMPTY
AS SELECT
    p.workspace AS workspace,
    p.a AS product_a,
    n.name AS name_a,
    p.b AS product_b,
    m.name AS name_b,
    p.baskets AS baskets,
    p.baskets_a AS baskets_a,
    p.baskets_b AS baskets_b,
    p.total_baskets AS total_baskets,
    baskets / total_baskets AS support,
    baskets / baskets_a AS confidence_ab,
    baskets / baskets_b AS confidence_ba,
    (baskets * total_baskets) / (baskets_a * baskets_b) AS lift
FROM
(
    SELECT
        c.workspace AS workspace, c.a AS a, c.b AS b, c.baskets AS baskets,
        max(if(c.a = c.b, c.baskets, 0)) OVER (PARTITION BY c.workspace, c.a) AS baskets_a,
        max(if(c.a = c.b, c.baskets, 0)) OVER (PARTITION BY c.workspace, c.b) AS baskets_b,
        max(if(c.a = '', c.baskets, 0)) OVER (PARTITION BY c.workspace) AS total_baskets
    FROM
    (
        SELECT d.workspace AS workspace, pair.1 AS a, pair.2 AS b, count() AS baskets
        FROM
        (
            SELECT i.workspace AS workspace, i.order_key AS order_key, arraySort(groupUniqArray(51)(i.product_id)) AS products
            FROM parcours.order_items AS i
            WHERE i.product_id != ''
                AND (i.workspace, i.order_key) NOT IN (SELECT workspace, order_key FROM parcours.orders WHERE status = 'cancelled')
            GROUP BY workspace, order_key
            HAVING length(products) <= 50
        ) AS d
        -- In one pass: every pair of a basket, each product with itself, and the basket itself as ('', '').
        ARRAY JOIN arrayConcat([('', '')], arrayFlatten(arrayMap((x, n) -> arrayMap(y -> (x, y), arraySlice(d.products, n)), d.products, arrayEnumerate(d.products)))) AS pair
        GROUP BY workspace, a, b
        HAVING baskets >= 3 OR a = b
    ) AS c
) AS p
LEFT JOIN
(
    SELECT workspace, product_id, argMaxIf(name, (occurred_at, order_key, line), name != '') AS name FROM parcours.order_items GROUP BY workspace, product_id
) AS n ON n.workspace = p.workspace AND n.product_id = p.a
LEFT JOIN
(
    SELECT workspace, product_id, argMaxIf(name, (occurred_at, order_key, line), name != '') AS name FROM parcours.order_items GROUP BY workspace, product_id
) AS m ON m.workspace = p.workspace AND m.product_id = p.b
WHERE p.a != p.b AND p.baskets >= 3 AND p.baskets * 10000 >= p.total_baskets
COMMENT 'One row per pair of products that are bought together, in at least 3 baskets and one in 10 000: support, confidence both ways, and lift. Computed every 6 hours.';
