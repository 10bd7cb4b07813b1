-- 6. Top products by segment: which products do the best customers buy most, and which the others?
--
-- segment: fifth of the customers by net revenue, 5 the best. place: place in the segment. product_id, product: what.
-- customers: buyers. quantity: units. revenue: amount of the lines. affinity: share of the segment's buyers who bought it, by
-- that of all buyers; above 1 the segment likes it more.
WITH
    segments AS
    (
        SELECT customer_id, ntile(5) OVER (ORDER BY revenue, customer_id) AS segment
        FROM (SELECT customer_id, sum(net_revenue) AS revenue FROM parcours.orders WHERE workspace = 'default' AND status != 'cancelled' GROUP BY customer_id)
    ),
    bought AS
    (
        SELECT s.segment AS segment, i.product_id AS product_id, i.name AS product, i.customer_id AS customer_id, ifNull(i.quantity, 1) AS quantity, ifNull(i.amount, 0) AS amount
        FROM parcours.order_items AS i
        JOIN segments AS s ON s.customer_id = i.customer_id
        WHERE i.workspace = 'default'
    ),
    everybody AS
    (
        SELECT product_id, uniqExact(customer_id) AS customers FROM bought GROUP BY product_id
    ),
    sizes AS
    (
        SELECT segment, uniqExact(customer_id) AS customers FROM bought GROUP BY segment
    )
SELECT
    p.segment AS segment,
    row_number() OVER (PARTITION BY p.segment ORDER BY p.customers DESC, p.product_id) AS place,
    p.product_id AS product_id,
    p.product AS product,
    p.customers AS customers,
    p.quantity AS quantity,
    p.revenue AS revenue,
    round((p.customers / s.customers) / (e.customers / (SELECT sum(customers) FROM sizes)), 3) AS affinity
FROM
(
    SELECT segment, product_id, any(b.product) AS product, uniqExact(customer_id) AS customers, sum(b.quantity) AS quantity, sum(b.amount) AS revenue
    FROM bought AS b
    GROUP BY segment, product_id
    ORDER BY segment, customers DESC, product_id
    LIMIT 5 BY segment
) AS p
JOIN everybody AS e ON e.product_id = p.product_id
JOIN sizes AS s ON s.segment = p.segment
ORDER BY segment DESC, place
