-- 11. Income of web against shop customers: do those who buy on the web live elsewhere than those who buy in shops?
--
-- The income of an area is not known to the pipeline yet, so the department stands in for its decile: the first digits of the
-- postcode that a customer last stated.
--
-- department: first two digits of the postcode, three overseas. customers: customers with an order and a postcode there.
-- web_only, store_only, multichannel: of these, by where they bought. web_share: share who bought on the web. index: that share
-- by the share of all customers with a postcode; 100 is average. revenue: net revenue a customer.
WITH
    homes AS
    (
        SELECT customer_id, argMaxIf(postal_code, version, postal_code != '') AS postcode
        FROM parcours.customer_contacts
        WHERE workspace = 'default'
        GROUP BY customer_id
        HAVING match(postcode, '^[0-9]{5}$')
    ),
    buyers AS
    (
        SELECT customer_id, countIf(channel = 'store') AS store, count() AS orders, toFloat64(sum(net_revenue)) AS revenue
        FROM parcours.orders
        WHERE workspace = 'default' AND status != 'cancelled'
        GROUP BY customer_id
    )
SELECT
    substring(h.postcode, 1, if(startsWith(h.postcode, '97') OR startsWith(h.postcode, '98'), 3, 2)) AS department,
    count() AS customers,
    countIf(b.store = 0) AS web_only,
    countIf(b.store = b.orders) AS store_only,
    customers - web_only - store_only AS multichannel,
    round((web_only + multichannel) / customers, 4) AS web_share,
    round(100 * web_share / (sum(web_only + multichannel) OVER () / sum(customers) OVER ()), 1) AS index,
    round(sum(b.revenue) / customers, 2) AS revenue_a_customer
FROM homes AS h
JOIN buyers AS b ON b.customer_id = h.customer_id
GROUP BY department
ORDER BY customers DESC, department
LIMIT 20
