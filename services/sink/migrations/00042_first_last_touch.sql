-- What brought the customer of each order: the first and the last marketing touch of the 30 days before it.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.first_last_touch
REFRESH EVERY 1 HOUR OFFSET 9 MINUTE
(
    workspace             LowCardinality(String) COMMENT 'Tenant.',
    order_id              String COMMENT 'Number of the order or ticket, as in orders; all of them are here, but refunds of orders that were never seen.',
    order_key             String COMMENT 'Identity of the order in the workspace, as in orders: join on it.',
    customer_id           UUID COMMENT 'Customer that the order belonged to at the last refresh.',
    occurred_at           DateTime64(3, 'UTC') COMMENT 'When the order was placed.',
    channel               LowCardinality(String) COMMENT 'Where it was placed.',
    store_id              LowCardinality(String) COMMENT 'Shop; empty for an order placed at a distance.',
    status                LowCardinality(String) COMMENT 'completed, partially_refunded, refunded or cancelled.',
    revenue               Decimal(38, 4) COMMENT 'net_revenue of the order: 0 when cancelled.',
    currency              LowCardinality(String) COMMENT 'ISO 4217 code of revenue.',
    touches               UInt64 COMMENT 'Touches that could be credited, in the 30 days before the order: those that are not direct, or the direct ones when there is nothing else; 0 when none is known.',
    first_touch_at        Nullable(DateTime64(3, 'UTC')) COMMENT 'First of them; null when there is none.',
    first_source          LowCardinality(String) COMMENT 'Its source; empty for a direct one, and when there is none.',
    first_medium          LowCardinality(String) COMMENT 'Its medium; empty likewise.',
    first_campaign        LowCardinality(String) COMMENT 'Its campaign; empty when it names none.',
    first_channel_group   LowCardinality(String) COMMENT 'Its channel group: direct, email, paid_search, ...; empty when there is no touch.',
    last_touch_at         Nullable(DateTime64(3, 'UTC')) COMMENT 'Last of them; null when there is none. A direct visit after it does not take its place, as in Google Analytics.',
    last_source           LowCardinality(String) COMMENT 'Its source; empty for a direct one, and when there is none.',
    last_medium           LowCardinality(String) COMMENT 'Its medium; empty likewise.',
    last_campaign         LowCardinality(String) COMMENT 'Its campaign; empty when it names none.',
    last_channel_group    LowCardinality(String) COMMENT 'Its channel group; empty when there is no touch.',
    direct_visits         UInt64 COMMENT 'Direct visits in the 30 days before the order, credited or not.',
    days_from_first_touch Nullable(UInt32) COMMENT 'Whole days from the first touch to the order; null when there is none.'
)
ENGINE = MergeTree
ORDER BY (workspace, occurred_at, order_key)
EMPTY
AS WITH
    arraySort(t -> (t.1, t.2), ifNull(h.hits, [])) AS hits,
    -- A touch is a run of hits of one origin with at most half an hour between one and the next: it is its first hit.
    arrayFilter((t, previous, n) -> n = 1 OR (t.3, t.4, t.5, t.6) != (previous.3, previous.4, previous.5, previous.6) OR t.1 > previous.1 + INTERVAL 30 MINUTE,
        hits, arrayPopBack(arrayPushFront(hits, hits[1])), arrayEnumerate(hits)) AS runs,
    arrayFilter(t -> t.1 <= o.occurred_at AND t.1 >= o.occurred_at - INTERVAL 30 DAY, runs) AS near,
    arrayFilter(t -> t.3 != 'direct', near) AS bought,
    if(notEmpty(bought), bought, near) AS credited
SELECT
    o.workspace AS workspace,
    o.order_id AS order_id,
    o.order_key AS order_key,
    o.customer_id AS customer_id,
    o.occurred_at AS occurred_at,
    o.channel AS channel,
    o.store_id AS store_id,
    o.status AS status,
    o.net_revenue AS revenue,
    o.currency AS currency,
    length(credited) AS touches,
    if(touches > 0, credited[1].1, NULL) AS first_touch_at,
    credited[1].4 AS first_source,
    credited[1].5 AS first_medium,
    credited[1].6 AS first_campaign,
    credited[1].3 AS first_channel_group,
    if(touches > 0, credited[-1].1, NULL) AS last_touch_at,
    credited[-1].4 AS last_source,
    credited[-1].5 AS last_medium,
    credited[-1].6 AS last_campaign,
    credited[-1].3 AS last_channel_group,
    arrayCount(t -> t.3 = 'direct', near) AS direct_visits,
    if(touches > 0, toUInt32(intDiv(dateDiff('millisecond', credited[1].1, o.occurred_at), 86400000)), NULL) AS days_from_first_touch
FROM
(
    SELECT workspace, order_id, order_key, customer_id, occurred_at, channel, store_id, status, net_revenue, currency
    FROM parcours.orders
    WHERE NOT (total = 0 AND refunded_total > 0)
) AS o
LEFT JOIN
(
    -- Where visits entered from, and clicks in messages: a click and the visit that it opens are one run.
    SELECT
        e.workspace AS workspace,
        e.customer_id AS customer_id,
        groupArray((
            e.occurred_at,
            e.event_id,
            multiIf(e.traffic_channel_group != '', toString(e.traffic_channel_group), startsWith(e.name, 'SMS'), 'sms', startsWith(e.name, 'Push'), 'mobile_push', 'email'),
            toString(e.traffic_source),
            toString(e.traffic_medium),
            toString(e.traffic_campaign))) AS hits
    FROM parcours.customer_events AS e
    WHERE NOT e.shared AND NOT e.device_is_bot
        AND (e.type IN ('page', 'screen') AND e.channel IN ('web', 'app') AND e.traffic_channel_group NOT IN ('', 'internal')
            OR e.type = 'track' AND e.name IN ('Email Link Clicked', 'Email Clicked', 'SMS Link Clicked', 'SMS Clicked', 'Push Notification Tapped', 'Push Notification Clicked'))
    GROUP BY workspace, customer_id
) AS h ON h.workspace = o.workspace AND h.customer_id = o.customer_id
COMMENT 'One row per order: the first and the last marketing touch of the 30 days before it, by the same customer, wherever the order was placed. A touch is the start of a visit from outside, or a click in a message; a visit without origin (direct) is credited only when there is nothing else, as in Google Analytics 4. Computed every hour.';
