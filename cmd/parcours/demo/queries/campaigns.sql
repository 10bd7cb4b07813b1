WITH
    letters AS
    (
        SELECT
            campaign_name AS campaign,
            uniqExactIf(event_id, name = 'Email Delivered') AS delivered,
            uniqExactIf(event_id, name = 'Email Opened') AS opened,
            uniqExactIf(event_id, name = 'Email Link Clicked') AS clicked
        FROM parcours.customer_events
        WHERE channel = 'email'
        GROUP BY campaign
    ),
    clicks AS
    (
        SELECT customer_id, campaign_name AS campaign, min(occurred_at) AS clicked_at
        FROM parcours.customer_events
        WHERE name = 'Email Link Clicked'
        GROUP BY customer_id, campaign
    ),
    bought AS
    (
        SELECT
            c.campaign AS campaign,
            uniqExactIf(o.order_id, o.channel != 'store') AS online,
            uniqExactIf(o.order_id, o.channel = 'store') AS in_store,
            round(sum(o.net_total), 2) AS revenue
        FROM clicks AS c
        INNER JOIN parcours.orders AS o ON o.customer_id = c.customer_id
        WHERE o.occurred_at BETWEEN c.clicked_at AND c.clicked_at + INTERVAL 2 DAY
        GROUP BY campaign
    )
SELECT
    l.campaign AS letter,
    l.delivered AS delivered,
    toDecimalString(100 * l.opened / l.delivered, 1) AS opened_percent,
    l.clicked AS clicks,
    b.online AS orders_online,
    b.in_store AS orders_in_store,
    b.revenue AS revenue
FROM letters AS l
LEFT JOIN bought AS b ON b.campaign = l.campaign
ORDER BY letter
