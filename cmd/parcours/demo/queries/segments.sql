SELECT
    replaceAll(segment, '_', ' ') AS segment,
    count() AS customers,
    round(avg(recency_days), 1) AS days_since,
    round(avg(frequency), 2) AS orders_each,
    round(avg(toFloat64(monetary)), 2) AS spent_each,
    countIf(customer_id IN (SELECT customer_id FROM parcours.abandoned_carts WHERE NOT recovered))
        AS left_a_cart
FROM parcours.customer_rfm
GROUP BY segment
ORDER BY spent_each DESC, segment
