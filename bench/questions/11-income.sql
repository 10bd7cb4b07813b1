-- 11. Income of web against shop customers: do those who buy on the web live in richer areas than those who buy in shops?
--
-- decile: income decile, 1 to 10, of the area where a customer lives, among the people of all communes (Filosofi); it describes the area
-- and no person. unknown: no address, no area found, figures withheld by the publisher, or profiling not switched on or not agreed to.
-- customers: customers with an order. web_only, store_only, multichannel: of these, by where they bought. web_share: share who bought
-- elsewhere than in shops. index: that share by the share of all customers; 100 is average. revenue_a_customer: net revenue.
WITH buyers AS
(
    SELECT customer_id, countIf(channel = 'store') AS store, count() AS orders, toFloat64(sum(net_revenue)) AS revenue
    FROM parcours.orders
    WHERE workspace = 'default' AND status != 'cancelled' AND NOT shared AND anchor_type != 'till_record'
    GROUP BY customer_id
)
SELECT
    ifNull(toString(p.area_income_decile), 'unknown') AS decile,
    count() AS customers,
    countIf(b.store = 0) AS web_only,
    countIf(b.store = b.orders) AS store_only,
    customers - web_only - store_only AS multichannel,
    round((web_only + multichannel) / customers, 4) AS web_share,
    round(100 * web_share / (sum(web_only + multichannel) OVER () / sum(customers) OVER ()), 1) AS index,
    round(sum(b.revenue) / customers, 2) AS revenue_a_customer
FROM buyers AS b
LEFT JOIN (SELECT customer_id, area_income_decile FROM parcours.customer_profiles WHERE workspace = 'default') AS p ON p.customer_id = b.customer_id
GROUP BY decile
ORDER BY toUInt8OrZero(decile) = 0, toUInt8OrZero(decile)
