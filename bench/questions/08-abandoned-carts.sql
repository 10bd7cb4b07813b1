-- 8. Abandoned carts: how far did the carts of the last 28 days come, how much was in those that were left, and how many came
-- back?
--
-- stage: the furthest step without an order: cart, checkout or payment. carts: carts that nothing happened to for a day.
-- value: their worth when they were left. recovered: of these, followed by an order of the same customer within seven days.
-- recovered_share: recovered of carts.
WITH
    carts AS
    (
        SELECT
            customer_id,
            cart_id,
            max(occurred_at) AS last_at,
            -- As many as were put in, less those taken out; at the price last seen.
            sum(if(name = 'Product Removed', -1, toInt8(name = 'Product Added')) * toFloat64(ifNull(`items.price`[1], 0)) * toFloat64(ifNull(`items.quantity`[1], 1))) AS worth,
            anyIf(checkout_id, checkout_id != '') AS checkout
        FROM parcours.customer_events
        WHERE workspace = 'default' AND type = 'track' AND cart_id != '' AND occurred_at >= now() - INTERVAL 28 DAY
        GROUP BY customer_id, cart_id
    ),
    checkouts AS
    (
        SELECT checkout_id, max(name = 'Payment Info Entered') AS paying, max(name = 'Order Completed') AS ordered
        FROM parcours.events
        WHERE workspace = 'default' AND type = 'track' AND checkout_id != '' AND occurred_at >= now() - INTERVAL 28 DAY
            AND name IN ('Checkout Started', 'Checkout Step Completed', 'Payment Info Entered', 'Order Completed')
        GROUP BY checkout_id
    )
SELECT
    multiIf(c.checkout = '', 'cart', NOT k.paying, 'checkout', 'payment') AS stage,
    count() AS carts,
    round(sum(greatest(c.worth, 0)), 2) AS value,
    countIf(o.customer_id != toUUID('00000000-0000-0000-0000-000000000000') AND o.occurred_at <= c.last_at + INTERVAL 7 DAY) AS recovered,
    round(recovered / carts, 4) AS recovered_share
FROM carts AS c
LEFT JOIN checkouts AS k ON k.checkout_id = c.checkout
ASOF LEFT JOIN
(
    SELECT customer_id, occurred_at
    FROM parcours.orders
    WHERE workspace = 'default' AND status != 'cancelled' AND occurred_at >= now() - INTERVAL 28 DAY
) AS o ON o.customer_id = c.customer_id AND o.occurred_at >= c.last_at
WHERE NOT k.ordered AND c.last_at < now() - INTERVAL 1 DAY
GROUP BY stage
ORDER BY carts DESC
