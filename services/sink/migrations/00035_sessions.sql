-- Visits to the website and the app, written anew at each refresh: a late event may join two visits, and a changed identity moves them.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.sessions
REFRESH EVERY 1 HOUR
(
    workspace             LowCardinality(String) COMMENT 'Tenant.',
    session_key           UUID COMMENT 'Identity of the session: its first event. An earlier event that comes late changes it.',
    customer_id           UUID COMMENT 'Customer of now, as of the last refresh.',
    shared                Bool COMMENT 'Whether customer_id is a shared identifier, as a kiosk where nobody is signed in, and no person.',
    visitor               UUID COMMENT 'Browser or installed app: node of the anonymous_id, else of the device_id, else the anchor.',
    source                LowCardinality(String) COMMENT 'Emitter.',
    channel               LowCardinality(String) COMMENT 'web or app; of the first event.',
    started_at            DateTime64(3, 'UTC') COMMENT 'First event.',
    ended_at              DateTime64(3, 'UTC') COMMENT 'Last event; the time spent on the last page is not known.',
    duration_s            UInt32 COMMENT 'Seconds from the first to the last event, rounded down; 0 for a single event.',
    local_date            Date32 COMMENT 'Day of the first event in the visitor\'s time, else in UTC.',
    events                UInt32 COMMENT 'Events of all types.',
    pages                 UInt32 COMMENT 'Of these, pages and screens.',
    entry_page            String COMMENT 'Path of the first page, or name of the first screen; empty without any.',
    exit_page             String COMMENT 'Path of the last page, or name of the last screen; empty without any.',
    traffic_source        LowCardinality(String) COMMENT 'Campaign source, or the site that referred: this and the other traffic columns are of the first event that has a channel grouping.',
    traffic_medium        LowCardinality(String) COMMENT 'Campaign medium, or the class of the referrer.',
    traffic_campaign      LowCardinality(String) COMMENT 'Campaign name.',
    traffic_channel_group LowCardinality(String) COMMENT 'Channel grouping: direct, organic_search, paid_search, email, ...; empty when no event has one.',
    traffic_referrer_host LowCardinality(String) COMMENT 'Host that referred, without www.',
    device_class          LowCardinality(String) COMMENT 'desktop, mobile, tablet, ...; of the first event that has one.',
    orders                UInt32 COMMENT 'Orders placed, cancelled ones left out; an order that was confirmed several times counts in the session of its first confirmation on the website or in the app.',
    revenue               Decimal(38, 4) COMMENT 'Sum of net_revenue of these.',
    currency              LowCardinality(String) COMMENT 'Currency of revenue; empty without orders or when there are several.',
    bounced               Bool COMMENT 'Whether it had fewer than two pages, lasted less than 10 seconds, and had no order.',
    is_bot                Bool COMMENT 'Whether any user agent of it names a crawler. Such sessions are kept: leave them out with NOT is_bot.'
)
ENGINE = MergeTree
ORDER BY (workspace, customer_id, started_at, session_key)
EMPTY
AS WITH splitByChar('\x1f', argMinIf(s.traffic, s.position, s.traffic != '')) AS first_traffic
SELECT
    s.workspace AS workspace,
    argMin(s.event_id, s.position) AS session_key,
    s.customer_id AS customer_id,
    CAST(max(s.shared), 'Bool') AS shared,
    s.visitor AS visitor,
    s.source AS source,
    argMin(toString(s.channel), s.position) AS channel,
    min(s.occurred_at) AS started_at,
    max(s.occurred_at) AS ended_at,
    toUInt32(intDiv(toUnixTimestamp64Milli(ended_at) - toUnixTimestamp64Milli(started_at), 1000)) AS duration_s,
    argMin(s.day, s.position) AS local_date,
    toUInt32(count()) AS events,
    toUInt32(countIf(s.is_page)) AS pages,
    argMinIf(s.page, s.position, s.is_page) AS entry_page,
    argMaxIf(s.page, s.position, s.is_page) AS exit_page,
    first_traffic[1] AS traffic_source,
    first_traffic[2] AS traffic_medium,
    first_traffic[3] AS traffic_campaign,
    first_traffic[4] AS traffic_channel_group,
    first_traffic[5] AS traffic_referrer_host,
    argMinIf(toString(s.device_class), s.position, s.device_class != '') AS device_class,
    toUInt32(countIf(s.ordered)) AS orders,
    sum(s.net_revenue) AS revenue,
    if(uniqExactIf(s.currency, s.ordered) = 1, anyIf(s.currency, s.ordered), '') AS currency,
    CAST(pages < 2 AND toUnixTimestamp64Milli(ended_at) - toUnixTimestamp64Milli(started_at) < 10000 AND orders = 0, 'Bool') AS bounced,
    CAST(max(s.is_bot), 'Bool') AS is_bot
FROM
(
    SELECT x.*, sum(x.starts) OVER (PARTITION BY x.workspace, x.customer_id, x.source, x.visitor ORDER BY x.position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS visit
    FROM
    (
        SELECT
            e.workspace AS workspace,
            e.customer_id AS customer_id,
            e.source AS source,
            multiIf(has(e.`identifiers.type`, 'anonymous_id'), e.`identifiers.node`[indexOf(e.`identifiers.type`, 'anonymous_id')],
                has(e.`identifiers.type`, 'device_id'), e.`identifiers.node`[indexOf(e.`identifiers.type`, 'device_id')], e.anchor) AS visitor,
            e.occurred_at AS occurred_at,
            e.event_id AS event_id,
            bitShiftLeft(toUInt128(toUnixTimestamp64Milli(e.occurred_at)), 64) + reinterpretAsUInt64(e.event_id) AS position,
            e.shared AS shared,
            e.channel AS channel,
            ifNull(e.calendar_local_date, toDate32(e.occurred_at)) AS day,
            e.type IN ('page', 'screen') AS is_page,
            if(is_page, if(e.page_path != '', e.page_path, toString(e.name)), '') AS page,
            -- One text instead of five columns, because rows are sorted with all that they hold.
            if(e.traffic_channel_group = '', '', concat(e.traffic_source, '\x1f', e.traffic_medium, '\x1f', e.traffic_campaign, '\x1f', e.traffic_channel_group, '\x1f', e.traffic_referrer_host)) AS traffic,
            e.device_class AS device_class,
            e.device_is_bot AS is_bot,
            o.found AS ordered,
            o.net_revenue AS net_revenue,
            o.currency AS currency,
            toUnixTimestamp64Milli(e.occurred_at) - lagInFrame(toUnixTimestamp64Milli(e.occurred_at), 1, toUnixTimestamp64Milli(e.occurred_at))
                OVER (PARTITION BY workspace, customer_id, source, visitor ORDER BY position ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) > 1800000 AS starts
        FROM parcours.customer_events AS e
        LEFT JOIN
        (
            SELECT f.workspace AS workspace, f.event_id AS event_id, true AS found, r.net_revenue AS net_revenue, toString(r.currency) AS currency
            FROM
            (
                SELECT p.workspace AS workspace, p.order_key AS order_key, argMin(p.event_id, p.position) AS event_id
                FROM parcours.order_events AS p
                WHERE p.kind = 'placed' AND p.channel IN ('web', 'app')
                GROUP BY workspace, order_key
            ) AS f
            INNER JOIN parcours.orders AS r ON r.workspace = f.workspace AND r.order_key = f.order_key
            WHERE r.status != 'cancelled'
        ) AS o ON o.workspace = e.workspace AND o.event_id = e.event_id
        WHERE e.channel IN ('web', 'app')
    ) AS x
) AS s
GROUP BY workspace, customer_id, source, visitor, s.visit
COMMENT 'Visits to the website and the app: the events of one customer in one browser or installation until 30 minutes of silence. A new campaign or midnight does not start another session; another customer in the same browser does. Refreshed every hour.';
