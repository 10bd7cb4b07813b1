-- The single customer record, by the customer of now.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.customers
(
    workspace        LowCardinality(String) COMMENT 'Tenant.',
    customer_id      UUID COMMENT 'Customer.',
    first_seen       DateTime64(3, 'UTC') COMMENT 'First event.',
    last_seen        DateTime64(3, 'UTC') COMMENT 'Last event.',
    events           UInt64 COMMENT 'Events.',
    channels         Array(String) COMMENT 'Channels used, sorted.',
    sources          Array(String) COMMENT 'Emitters that saw the customer, sorted.',
    identifier_types Array(String) COMMENT 'Kinds of identifier known, sorted.',
    anchors          UInt64 COMMENT 'Anchors that make up the customer.',
    shared           Bool COMMENT 'Whether it is a shared identifier that nobody stands behind, as a kiosk or a test address, and no person.',
    known            Bool COMMENT 'Whether anything more than a cookie, a device or a ticket is known: an account, a card, an e-mail, a telephone or a payment reference.',
    orders           UInt64 COMMENT 'Orders and tickets, cancelled ones left out.',
    store_orders     UInt64 COMMENT 'Of these, placed in a shop.',
    remote_orders    UInt64 COMMENT 'Of these, placed elsewhere than in a shop.',
    first_order_at   Nullable(DateTime64(3, 'UTC')) COMMENT 'First order; null when there is none.',
    last_order_at    Nullable(DateTime64(3, 'UTC')) COMMENT 'Last order; null when there is none.',
    stores           Array(String) COMMENT 'Shops bought in, sorted.',
    total            Decimal(38, 4) COMMENT 'Sum over the orders of money_net_total, or of net_total where an order was not converted.',
    revenue          Decimal(38, 4) COMMENT 'Sum over the orders of money_net_revenue, or of net_revenue where an order was not converted.',
    currency         LowCardinality(String) COMMENT 'Currency of the amounts; empty without orders or when there are several.',
    traits           Map(String, String) COMMENT 'Golden traits: of each the value of the source that is believed most (source_priorities), then the newest. One that its last statement took back is left out.',
    consent_at       Nullable(DateTime64(3, 'UTC')) COMMENT 'When consent was last stated; null when it never was.',
    consent_granted  Array(String) COMMENT 'Purposes granted by the last statement.',
    consent_denied   Array(String) COMMENT 'Purposes refused by the last statement.',
    has_email        Bool COMMENT 'Whether an e-mail address is known; the values themselves stand in golden_contacts.',
    has_phone        Bool COMMENT 'Whether a telephone number is known.',
    has_name         Bool COMMENT 'Whether first and last name are known, or the whole name.',
    has_address      Bool COMMENT 'Whether street, postcode and town are known.',
    has_birth_date   Bool COMMENT 'Whether the date of birth is known.',
    completeness     Float64 COMMENT 'Share, 0 to 1, of these eight that are known: e-mail, telephone, first name, last name, date of birth, street, postcode, town.',
    contact_refused  Array(String) COMMENT 'Ways of contact that the customer refused last: email, phone, post, sms. What counts is the last consent that names the way or marketing or refuses everything, opt-in trait, subscription or unsubscription.',
    contactable_by   Array(String) COMMENT 'Ways of contact that are open: email, phone, post, sms, each with a valid value and not refused. Silence is no refusal. Empty for a shared identifier.'
)
AS SELECT
    c.workspace AS workspace,
    c.customer_id AS customer_id,
    c.first_seen AS first_seen,
    c.last_seen AS last_seen,
    c.events AS events,
    c.channels AS channels,
    c.sources AS sources,
    c.identifier_types AS identifier_types,
    c.anchors AS anchors,
    c.shared AS shared,
    CAST(hasAny(c.identifier_types, ['user_id', 'loyalty_card', 'email', 'email_canon', 'phone', 'payment_reference']), 'Bool') AS known,
    b.orders AS orders,
    b.store_orders AS store_orders,
    b.orders - b.store_orders AS remote_orders,
    if(b.orders > 0, b.first_order_at, NULL) AS first_order_at,
    if(b.orders > 0, b.last_order_at, NULL) AS last_order_at,
    b.stores AS stores,
    b.total AS total,
    b.revenue AS revenue,
    if(length(b.currencies) = 1, b.currencies[1], '') AS currency,
    t.traits AS traits,
    c.consent_at AS consent_at,
    arrayFilter(x -> x != '', splitByChar('\x1f', c.consent[1])) AS consent_granted,
    arrayFilter(x -> x != '', splitByChar('\x1f', c.consent[2])) AS consent_denied,
    f.has_email AS has_email,
    f.has_phone AS has_phone,
    f.has_name AS has_name,
    f.has_address AS has_address,
    f.has_birth_date AS has_birth_date,
    f.completeness AS completeness,
    w.refused AS contact_refused,
    if(c.shared, [], arrayFilter((way, valid) -> valid AND NOT has(w.refused, way), ['email', 'phone', 'post', 'sms'], [f.email_valid, f.phone_valid, f.has_address, f.mobile])) AS contactable_by
FROM
(
    SELECT
        e.workspace AS workspace,
        e.customer_id AS customer_id,
        min(e.occurred_at) AS first_seen,
        max(e.occurred_at) AS last_seen,
        count() AS events,
        max(e.shared) AS shared,
        uniqExact(e.anchor) AS anchors,
        arraySort(groupUniqArray(toString(e.channel))) AS channels,
        arraySort(groupUniqArray(toString(e.source))) AS sources,
        arraySort(groupUniqArrayArray(arrayMap(x -> toString(x), e.`identifiers.type`))) AS identifier_types,
        maxOrNullIf(e.occurred_at, e.consent_stated) AS consent_at,
        -- As one text: an aggregate that keeps arrays costs as much as all others together.
        splitByChar('\x1e', argMaxIf(concat(arrayStringConcat(e.consent_granted, '\x1f'), '\x1e', arrayStringConcat(e.consent_denied, '\x1f')),
            bitShiftLeft(toUInt128(toUnixTimestamp64Milli(e.occurred_at)), 64) + reinterpretAsUInt64(e.event_id), e.consent_stated)) AS consent
    FROM parcours.customer_events AS e
    GROUP BY workspace, customer_id
) AS c
LEFT JOIN
(
    -- A refund of an order that was never seen lowers the amounts, and is no order.
    WITH
        (o.status != 'cancelled' AND NOT (o.total = 0 AND o.refunded_total > 0)) AS counted,
        (o.money_net_total IS NOT NULL AND o.money_net_revenue IS NOT NULL) AS converted
    SELECT
        o.workspace AS workspace,
        o.customer_id AS customer_id,
        countIf(counted) AS orders,
        countIf(counted AND o.channel = 'store') AS store_orders,
        minIf(o.occurred_at, counted) AS first_order_at,
        maxIf(o.occurred_at, counted) AS last_order_at,
        arraySort(groupUniqArrayIf(toString(o.store_id), counted AND o.store_id != '')) AS stores,
        groupUniqArrayIf(toString(if(converted, o.money_currency, o.currency)), (converted OR o.currency != '') AND (counted OR o.net_total != 0)) AS currencies,
        sum(if(converted, assumeNotNull(o.money_net_total), o.net_total)) AS total,
        sum(if(converted, assumeNotNull(o.money_net_revenue), o.net_revenue)) AS revenue
    FROM parcours.orders AS o
    GROUP BY workspace, customer_id
) AS b ON b.workspace = c.workspace AND b.customer_id = c.customer_id
LEFT JOIN
(
    SELECT
        l.workspace AS workspace,
        l.customer_id AS customer_id,
        -- An empty value was taken back.
        CAST(groupArrayIf((l.field, l.value), l.value != ''), 'Map(String, String)') AS traits
    FROM
    (
        -- A value that is no longer fresh is worth no more than one of a source without a row.
        WITH if(mapContains(p.rules, toString(r.field)), p.rules[toString(r.field)], p.rules['*']) AS rule
        SELECT
            r.workspace AS workspace,
            r.customer_id AS customer_id,
            toString(r.field) AS field,
            argMax(r.value, (if(rule.2 > 0 AND r.occurred_at < now() - toIntervalDay(rule.2), least(rule.1, 0), rule.1), r.version)) AS value
        FROM parcours.customer_traits AS r
        LEFT JOIN parcours.source_rules AS p ON p.workspace = r.workspace AND p.source = r.source
        GROUP BY workspace, customer_id, field
        ORDER BY field
    ) AS l
    GROUP BY workspace, customer_id
) AS t ON t.workspace = c.workspace AND t.customer_id = c.customer_id
LEFT JOIN parcours.contact_facts AS f ON f.workspace = c.workspace AND f.customer_id = c.customer_id
LEFT JOIN
(
    SELECT r.workspace AS workspace, r.customer_id AS customer_id, arraySort(groupArrayIf(toString(r.way), r.refused)) AS refused
    FROM
    (
        SELECT o.workspace AS workspace, o.customer_id AS customer_id, o.way AS way, argMax(NOT o.granted, o.position) AS refused
        FROM parcours.contact_choices AS o
        GROUP BY workspace, customer_id, way
    ) AS r
    GROUP BY workspace, customer_id
) AS w ON w.workspace = c.workspace AND w.customer_id = c.customer_id
COMMENT 'The single customer record: one row per customer of now, without contact values, which stand in contacts alone.';
