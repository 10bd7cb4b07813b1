SELECT
    if(direction = 'online_to_store', 'at a till', 'online') AS bought,
    sum(o.orders) AS orders,
    sum(researched_orders) AS after_a_visit,
    toDecimalString(100 * after_a_visit / orders, 1) AS after_a_visit_percent,
    sum(same_category_orders) AS same_category,
    sum(same_product_orders) AS same_product,
    round(sum(researched_revenue), 2) AS revenue
FROM parcours.store_web_overlap AS o
WHERE grain = 'store'
GROUP BY direction
ORDER BY direction
