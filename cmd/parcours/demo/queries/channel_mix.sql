SELECT
    multiIf(c.store_orders > 0 AND c.remote_orders > 0, 'web and store',
            c.store_orders > 0, 'store only',
            c.remote_orders > 0, 'web and app only',
            c.known, 'known, no order yet',
            'anonymous, no order') AS who_buys_where,
    count() AS customers,
    sum(c.orders) AS orders,
    round(sum(c.total), 2) AS revenue,
    if(orders > 0, round(toFloat64(revenue) / orders, 2), NULL) AS average_order,
    if(orders > 0, round(orders / customers, 2), NULL) AS orders_each,
    if(orders > 0, round(toFloat64(revenue) / customers, 2), NULL) AS revenue_each
FROM parcours.customers AS c
GROUP BY who_buys_where
ORDER BY revenue DESC, customers DESC
