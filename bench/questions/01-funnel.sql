-- 1. Funnel: of the customers who looked at a product in the last 28 days, how many put one into the cart, went to the checkout
-- and ordered, in this order and within a day of the look, on the web and in the app?
--
-- channel: where. step, name: the step, in its order. customers: customers who came so far. of_first: their share of those
-- who looked at a product. of_previous: their share of those who took the step before.
SELECT
    channel,
    step,
    ['Product Viewed', 'Product Added', 'Checkout Started', 'Order Completed'][step] AS name,
    countIf(reached >= step) AS customers,
    round(customers / countIf(reached >= 1), 4) AS of_first,
    round(customers / countIf(reached >= greatest(step - 1, 1)), 4) AS of_previous
FROM
(
    SELECT
        channel,
        customer_id,
        windowFunnel(86400000)(toUInt64(toUnixTimestamp64Milli(occurred_at)),
            name = 'Product Viewed', name = 'Product Added', name = 'Checkout Started', name = 'Order Completed') AS reached
    FROM parcours.customer_events
    WHERE workspace = 'default' AND type = 'track' AND channel IN ('web', 'app') AND NOT device_is_bot
        AND name IN ('Product Viewed', 'Product Added', 'Checkout Started', 'Order Completed')
        AND occurred_at >= now() - INTERVAL 28 DAY
    GROUP BY channel, customer_id
    HAVING reached > 0
)
ARRAY JOIN [1, 2, 3, 4] AS step
GROUP BY channel, step
ORDER BY channel, step
