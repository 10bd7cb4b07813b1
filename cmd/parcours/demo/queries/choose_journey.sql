SELECT customer_id
FROM
(
    SELECT
        customer_id,
        countIf(anchor_type = 'anonymous_id' AND channel = 'web') AS anonymous_events,
        minIf(occurred_at, anchor_type = 'anonymous_id' AND channel = 'web') AS came_at,
        minIf(occurred_at, anchor_type = 'user_id' AND channel IN ('web', 'app')) AS signed_in_at,
        countIf(name = 'Order Completed' AND channel = 'store') AS store_orders,
        countIf(name = 'Order Completed' AND channel IN ('web', 'app')) AS online_orders,
        uniqExact(channel) AS channels,
        uniqExact(toDate(occurred_at)) AS days,
        uniqExactIf(store_id, store_id != '') AS stores,
        count() AS events
    FROM parcours.customer_events
    GROUP BY customer_id
)
WHERE store_orders BETWEEN 1 AND 2 AND online_orders BETWEEN 1 AND 2 AND stores = 1
    AND anonymous_events >= 5 AND came_at < signed_in_at AND events BETWEEN 25 AND 90
ORDER BY channels DESC, days DESC, anonymous_events DESC, customer_id
LIMIT 1
