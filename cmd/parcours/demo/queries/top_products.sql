SELECT
    i.name AS product,
    i.category AS category,
    toUInt64(sum(ifNull(i.quantity, 1))) AS sold,
    round(sum(i.amount), 2) AS revenue,
    round(100 * sumIf(i.amount, i.channel = 'store') / sum(i.amount)) AS store_percent,
    uniqExact(i.customer_id) AS customers
FROM parcours.order_items AS i
GROUP BY product, category
ORDER BY revenue DESC, product
LIMIT 8
