-- What became of each campaign of e-mails, text messages and push notifications, and the orders after it.
-- Events are recognised by the names of the e-mail vocabulary of Segment and RudderStack, and by their counterparts for text messages and push.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.campaign_performance
REFRESH EVERY 1 HOUR OFFSET 3 MINUTE
(
    workspace              LowCardinality(String) COMMENT 'Tenant.',
    medium                 LowCardinality(String) COMMENT 'email, sms or push: by the name of the event, else its channel, else email.',
    campaign_id            String COMMENT 'The campaign: its id as stated with the event (utm_id, or the property campaign_id), else its name, else the property email_id; empty for messages of no campaign.',
    campaign_name          String COMMENT 'Name as last stated; empty when none was.',
    first_at               DateTime64(3, 'UTC') COMMENT 'First event of the campaign.',
    last_at                DateTime64(3, 'UTC') COMMENT 'Last event of the campaign.',
    sent                   UInt64 COMMENT 'Events that say a message was sent; 0 when the provider does not tell.',
    sent_customers         UInt64 COMMENT 'Customers it was sent to. Here and below, identifiers that nobody stands behind are no customers.',
    delivered              UInt64 COMMENT 'Events that say a message was delivered.',
    delivered_customers    UInt64 COMMENT 'Customers it was delivered to.',
    opened                 UInt64 COMMENT 'Openings, repeated ones included.',
    opened_customers       UInt64 COMMENT 'Customers who opened at least once.',
    clicked                UInt64 COMMENT 'Clicks, repeated ones included.',
    clicked_customers      UInt64 COMMENT 'Customers who clicked at least once.',
    bounced                UInt64 COMMENT 'Messages that did not arrive.',
    bounced_customers      UInt64 COMMENT 'Customers they did not reach.',
    complained             UInt64 COMMENT 'Messages marked as spam.',
    complained_customers   UInt64 COMMENT 'Customers who marked one.',
    unsubscribed           UInt64 COMMENT 'Unsubscriptions.',
    unsubscribed_customers UInt64 COMMENT 'Customers who unsubscribed.',
    bounce_rate            Nullable(Float64) COMMENT 'bounced by delivered plus bounced, 0 to 1; null when there are neither.',
    open_rate              Nullable(Float64) COMMENT 'opened_customers by delivered_customers, or by sent_customers when deliveries are not told; null without both. Above 1 when more open than are told to have received it.',
    click_rate             Nullable(Float64) COMMENT 'clicked_customers by the same; null without.',
    click_to_open_rate     Nullable(Float64) COMMENT 'clicked_customers by opened_customers; null without openings. Above 1 where pictures are blocked: a click without an opening.',
    unsubscribe_rate       Nullable(Float64) COMMENT 'unsubscribed_customers by what open_rate divides by; null without.',
    click_orders           UInt64 COMMENT 'Orders credited to a click: the last click on any campaign by the same customer, at most 7 days before the order.',
    open_orders            UInt64 COMMENT 'Orders credited to an opening: the last opening at most 7 days before, of an order without a click in that time.',
    orders                 UInt64 COMMENT 'Both. Each order is credited to one campaign at most, wherever it was placed; cancelled ones are not.',
    customers              UInt64 COMMENT 'Customers who placed these orders.',
    total                  Decimal(38, 4) COMMENT 'Sum of net_total of these orders.',
    revenue                Decimal(38, 4) COMMENT 'Sum of net_revenue of these orders.',
    currency               LowCardinality(String) COMMENT 'Currency of the amounts; empty without orders or when there are several.'
)
ENGINE = MergeTree
ORDER BY (workspace, medium, campaign_id)
EMPTY
AS WITH messages AS
(
    SELECT
        e.workspace AS workspace,
        e.customer_id AS customer_id,
        e.shared AS shared,
        e.event_id AS event_id,
        e.occurred_at AS at,
        toString(multiIf(startsWith(e.name, 'Email'), 'email', startsWith(e.name, 'SMS'), 'sms', startsWith(e.name, 'Push'), 'push', e.channel IN ('email', 'sms'), e.channel, 'email')) AS medium,
        if(e.campaign_name != '', toString(e.campaign_name), ifNull(toString(e.properties.campaign_name), '')) AS name,
        coalesce(nullIf(toString(e.campaign_id), ''), nullIf(toString(e.properties.campaign_id), ''), nullIf(name, ''), nullIf(toString(e.properties.email_id), ''), '') AS id,
        multiIf(
            e.name IN ('Email Sent', 'SMS Sent', 'Push Notification Sent'), 'sent',
            e.name IN ('Email Delivered', 'SMS Delivered', 'Push Notification Delivered', 'Push Notification Received'), 'delivered',
            e.name IN ('Email Opened', 'Push Notification Opened'), 'opened',
            e.name IN ('Email Link Clicked', 'Email Clicked', 'SMS Link Clicked', 'SMS Clicked', 'Push Notification Tapped', 'Push Notification Clicked'), 'clicked',
            e.name IN ('Email Bounced', 'Email Dropped', 'SMS Bounced', 'SMS Failed', 'Push Notification Bounced', 'Push Notification Failed'), 'bounced',
            e.name IN ('Email Marked as Spam', 'Email Marked As Spam'), 'complained',
            'unsubscribed') AS what
    FROM parcours.customer_events AS e
    WHERE e.type = 'track' AND e.name IN ('Email Sent', 'SMS Sent', 'Push Notification Sent',
        'Email Delivered', 'SMS Delivered', 'Push Notification Delivered', 'Push Notification Received',
        'Email Opened', 'Push Notification Opened',
        'Email Link Clicked', 'Email Clicked', 'SMS Link Clicked', 'SMS Clicked', 'Push Notification Tapped', 'Push Notification Clicked',
        'Email Bounced', 'Email Dropped', 'SMS Bounced', 'SMS Failed', 'Push Notification Bounced', 'Push Notification Failed',
        'Email Marked as Spam', 'Email Marked As Spam',
        'Unsubscribed', 'Email Unsubscribed', 'SMS Unsubscribed')
)
SELECT
    m.workspace AS workspace,
    m.medium AS medium,
    m.id AS campaign_id,
    m.campaign_name AS campaign_name,
    m.first_at AS first_at,
    m.last_at AS last_at,
    m.sent AS sent,
    m.sent_customers AS sent_customers,
    m.delivered AS delivered,
    m.delivered_customers AS delivered_customers,
    m.opened AS opened,
    m.opened_customers AS opened_customers,
    m.clicked AS clicked,
    m.clicked_customers AS clicked_customers,
    m.bounced AS bounced,
    m.bounced_customers AS bounced_customers,
    m.complained AS complained,
    m.complained_customers AS complained_customers,
    m.unsubscribed AS unsubscribed,
    m.unsubscribed_customers AS unsubscribed_customers,
    if(m.delivered + m.bounced > 0, m.bounced / (m.delivered + m.bounced), NULL) AS bounce_rate,
    if(m.reached > 0, m.opened_customers / m.reached, NULL) AS open_rate,
    if(m.reached > 0, m.clicked_customers / m.reached, NULL) AS click_rate,
    if(m.opened_customers > 0, m.clicked_customers / m.opened_customers, NULL) AS click_to_open_rate,
    if(m.reached > 0, m.unsubscribed_customers / m.reached, NULL) AS unsubscribe_rate,
    a.click_orders AS click_orders,
    a.orders - a.click_orders AS open_orders,
    a.orders AS orders,
    a.customers AS customers,
    a.total AS total,
    a.revenue AS revenue,
    if(length(a.currencies) = 1, a.currencies[1], '') AS currency
FROM
(
    SELECT
        workspace, medium, id,
        argMaxIf(name, (at, event_id), name != '') AS campaign_name,
        min(at) AS first_at,
        max(at) AS last_at,
        countIf(what = 'sent') AS sent,
        uniqExactIf(customer_id, what = 'sent' AND NOT shared) AS sent_customers,
        countIf(what = 'delivered') AS delivered,
        uniqExactIf(customer_id, what = 'delivered' AND NOT shared) AS delivered_customers,
        countIf(what = 'opened') AS opened,
        uniqExactIf(customer_id, what = 'opened' AND NOT shared) AS opened_customers,
        countIf(what = 'clicked') AS clicked,
        uniqExactIf(customer_id, what = 'clicked' AND NOT shared) AS clicked_customers,
        countIf(what = 'bounced') AS bounced,
        uniqExactIf(customer_id, what = 'bounced' AND NOT shared) AS bounced_customers,
        countIf(what = 'complained') AS complained,
        uniqExactIf(customer_id, what = 'complained' AND NOT shared) AS complained_customers,
        countIf(what = 'unsubscribed') AS unsubscribed,
        uniqExactIf(customer_id, what = 'unsubscribed' AND NOT shared) AS unsubscribed_customers,
        if(delivered > 0, delivered_customers, sent_customers) AS reached
    FROM messages
    GROUP BY workspace, medium, id
) AS m
LEFT JOIN
(
    SELECT
        b.workspace AS workspace, b.campaign.1 AS medium, b.campaign.2 AS id,
        count() AS orders,
        countIf(b.clicked) AS click_orders,
        uniqExact(b.customer_id) AS customers,
        sum(b.net_total) AS total,
        sum(b.net_revenue) AS revenue,
        groupUniqArray(toString(b.currency)) AS currencies
    FROM
    (
        SELECT
            o.workspace AS workspace, o.customer_id AS customer_id, o.net_total AS net_total, o.net_revenue AS net_revenue, o.currency AS currency,
            c.found AND c.at >= o.occurred_at - INTERVAL 7 DAY AS clicked,
            p.found AND p.at >= o.occurred_at - INTERVAL 7 DAY AS opened,
            if(clicked, c.campaign, p.campaign) AS campaign
        FROM
        (
            -- A refund of an order that was never seen is no order.
            SELECT workspace, customer_id, occurred_at, net_total, net_revenue, currency
            FROM parcours.orders
            WHERE status != 'cancelled' AND NOT (total = 0 AND refunded_total > 0)
        ) AS o
        -- Of two clicks in one millisecond, the one of the greater event_id counts: any rule, but always the same.
        ASOF LEFT JOIN
        (
            SELECT workspace, customer_id, at, argMax((medium, id), event_id) AS campaign, true AS found
            FROM messages WHERE what = 'clicked' AND NOT shared GROUP BY workspace, customer_id, at
        ) AS c ON c.workspace = o.workspace AND c.customer_id = o.customer_id AND c.at <= o.occurred_at
        ASOF LEFT JOIN
        (
            SELECT workspace, customer_id, at, argMax((medium, id), event_id) AS campaign, true AS found
            FROM messages WHERE what = 'opened' AND NOT shared GROUP BY workspace, customer_id, at
        ) AS p ON p.workspace = o.workspace AND p.customer_id = o.customer_id AND p.at <= o.occurred_at
    ) AS b
    WHERE b.clicked OR b.opened
    GROUP BY workspace, medium, id
) AS a ON a.workspace = m.workspace AND a.medium = m.medium AND a.id = m.id
COMMENT 'One row per campaign of e-mails, text messages or push notifications: what became of the messages, and the orders after them. An order is credited once, to the last click of the 7 days before it, else to the last opening. Computed every hour.';
