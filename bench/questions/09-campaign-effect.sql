-- 9. Campaign effect: whom did each mailing reach, and what did they buy after?
--
-- campaign: name of the mailing. delivered, opened, clicked, unsubscribed: different customers. open_rate, click_rate: of the
-- delivered. buyers, orders, revenue: of customers who ordered within seven days of their last open or click, with the net
-- revenue of these orders.
WITH
    reached AS
    (
        SELECT
            campaign_name AS campaign,
            customer_id,
            max(name = 'Email Delivered') AS delivered,
            max(name = 'Email Opened') AS opened,
            max(name = 'Email Link Clicked') AS clicked,
            max(name = 'Unsubscribed') AS unsubscribed,
            maxIf(occurred_at, name IN ('Email Opened', 'Email Link Clicked')) AS last_at
        FROM parcours.customer_events
        WHERE workspace = 'default' AND type = 'track' AND campaign_name != ''
            AND name IN ('Email Delivered', 'Email Opened', 'Email Link Clicked', 'Unsubscribed')
        GROUP BY campaign, customer_id
    ),
    bought AS
    (
        SELECT r.campaign AS campaign, r.customer_id AS customer_id, count() AS orders, sum(o.net_revenue) AS revenue
        FROM reached AS r
        JOIN parcours.orders AS o ON o.customer_id = r.customer_id
        WHERE o.workspace = 'default' AND o.status != 'cancelled' AND (r.opened OR r.clicked)
            AND o.occurred_at > r.last_at AND o.occurred_at <= r.last_at + INTERVAL 7 DAY
        GROUP BY campaign, customer_id
    )
SELECT
    campaign,
    sum(r.delivered) AS delivered,
    sum(r.opened) AS opened,
    sum(r.clicked) AS clicked,
    sum(r.unsubscribed) AS unsubscribed,
    round(opened / delivered, 4) AS open_rate,
    round(clicked / delivered, 4) AS click_rate,
    countIf(b.orders > 0) AS buyers,
    sum(b.orders) AS orders,
    sum(b.revenue) AS revenue
FROM reached AS r
LEFT JOIN bought AS b USING (campaign, customer_id)
GROUP BY campaign
ORDER BY delivered DESC, campaign
LIMIT 20
