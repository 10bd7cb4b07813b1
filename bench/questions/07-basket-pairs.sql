-- 7. Basket pairs: which products are bought together more often than chance would have it?
--
-- product_a, product_b: the pair. baskets: orders with both. support: their share of all orders. confidence_ab: share of the
-- orders with a that have b. confidence_ba: the reverse. lift: how many times as often as if they were independent.
WITH
    baskets AS
    (
        SELECT order_id, groupUniqArray(product_id) AS products
        FROM parcours.order_items
        WHERE workspace = 'default'
        GROUP BY order_id
    ),
    singles AS
    (
        SELECT arrayJoin(products) AS product, count() AS orders FROM baskets GROUP BY product
    ),
    (SELECT count() FROM baskets) AS all_orders
SELECT
    pair.1 AS product_a,
    pair.2 AS product_b,
    count() AS baskets,
    round(baskets / all_orders, 5) AS support,
    round(baskets / any(a.orders), 4) AS confidence_ab,
    round(baskets / any(b.orders), 4) AS confidence_ba,
    round(baskets * all_orders / (any(a.orders) * any(b.orders)), 2) AS lift
FROM
(
    SELECT arrayJoin(arrayFlatten(arrayMap(x -> arrayMap(y -> (x, y), arrayFilter(y -> y > x, products)), products))) AS pair
    FROM baskets
) AS p
JOIN singles AS a ON a.product = p.pair.1
JOIN singles AS b ON b.product = p.pair.2
GROUP BY product_a, product_b
HAVING baskets >= 5
ORDER BY lift DESC, baskets DESC, product_a, product_b
LIMIT 20
