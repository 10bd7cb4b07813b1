-- 3. Channel mix: how many customers buy on the web alone, in shops alone, or in both, and what are they worth?
--
-- mix: where they buy. customers: how many. share: of all who bought. orders: orders a customer. basket: net revenue an order.
-- revenue_a_customer: net revenue a customer. revenue_share: of all net revenue.
SELECT
    multiIf(store = 0, 'web_only', store = orders, 'store_only', 'multichannel') AS mix,
    count() AS customers,
    round(customers / sum(customers) OVER (), 4) AS share,
    round(sum(orders) / customers, 2) AS orders_a_customer,
    round(toFloat64(sum(revenue)) / sum(orders), 2) AS basket,
    round(toFloat64(sum(revenue)) / customers, 2) AS revenue_a_customer,
    round(toFloat64(sum(revenue)) / sum(toFloat64(sum(revenue))) OVER (), 4) AS revenue_share
FROM
(
    SELECT customer_id, count() AS orders, countIf(channel = 'store') AS store, sum(net_revenue) AS revenue
    FROM parcours.orders
    WHERE workspace = 'default' AND status != 'cancelled'
    GROUP BY customer_id
)
GROUP BY mix
ORDER BY customers DESC
