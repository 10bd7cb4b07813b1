-- Whether what sources send is complete, valid and fresh. It counts clear values and shows none, so that whoever may not read contacts may read it.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.data_quality
REFRESH EVERY 1 HOUR OFFSET 33 MINUTE
(
    workspace       LowCardinality(String) COMMENT 'Tenant.',
    source          LowCardinality(String) COMMENT 'Emitter.',
    field           LowCardinality(String) COMMENT 'What is looked at: a field of events, as received in the last 30 days, enriched.x, what enrichments added to them, or contact.x, what the source last said of each anchor. occurred_at has a row for every source that sent an event in this time.',
    checked         UInt64 COMMENT 'Events or anchors that should have it.',
    filled          UInt64 COMMENT 'Those that have it.',
    complete        Float64 COMMENT 'filled by checked, 0 to 1.',
    valid           Nullable(Float64) COMMENT 'Share of the filled that are right, 0 to 1, by the rule of the field; null when none is filled.',
    fresh           Nullable(Float64) COMMENT 'Share of the filled that are fresh, 0 to 1: events received within a day of happening; contact values stated in the last 365 days. Null when none is filled.',
    distinct_values UInt64 COMMENT 'How many different values.',
    last_at         DateTime64(3, 'UTC') COMMENT 'Newest of the checked: when the event was received, or the value stated.',
    rule            String COMMENT 'Which rows are checked, and when a value is right.'
)
ENGINE = MergeTree
ORDER BY (workspace, source, field)
EMPTY
AS SELECT
    q.workspace AS workspace,
    q.source AS source,
    q.one.1 AS field,
    q.one.2 AS checked,
    q.one.3 AS filled,
    filled / checked AS complete,
    if(filled > 0, q.one.4 / filled, NULL) AS valid,
    if(filled > 0, q.one.5 / filled, NULL) AS fresh,
    q.one.6 AS distinct_values,
    q.one.7 AS last_at,
    q.one.8 AS rule
FROM
(
    SELECT workspace, source, one
    FROM
    (
        WITH
            e.received_at <= e.occurred_at + INTERVAL 1 DAY AS in_time,
            notEmpty(e.`identifiers.type`) AS has_ids,
            NOT arrayExists(r -> r = 'invalid', e.`ignored_identifiers.reason`) AS good_ids,
            e.channel = 'store' OR e.store_id != '' AS of_store,
            e.store_id != '' AS has_store,
            (e.workspace, e.store_id) IN (SELECT workspace, store_id FROM parcours.events WHERE channel = 'store' AND store_id != '' GROUP BY workspace, store_id HAVING count() >= 10) AS known_store,
            notEmpty(e.`items.product_id`) AS has_items,
            NOT arrayExists(p -> p = '', e.`items.product_id`) AS all_products,
            NOT arrayExists(p -> length(p) > 100 OR p != trim(BOTH ' ' FROM p), e.`items.product_id`) AS good_products,
            e.name IN ('Order Completed', 'Completed Order', 'Order Updated', 'Updated Order') AS is_order,
            NOT arrayExists(p -> p IS NULL, e.`items.price`) AS all_prices,
            NOT arrayExists(p -> ifNull(p <= 0, false), e.`items.price`) AS good_prices,
            e.order_id != '' OR e.receipt_id != '' AS has_order,
            coalesce(e.total, e.revenue, e.value, e.subtotal) AS amount,
            amount IS NOT NULL OR arrayExists(p -> p IS NOT NULL, e.`items.price`) AS has_amount,
            e.currency IN ('AED','AFN','ALL','AMD','AOA','ARS','AUD','AWG','AZN','BAM','BBD','BDT','BGN','BHD','BIF','BMD','BND','BOB','BRL','BSD','BTN','BWP','BYN','BZD','CAD','CDF','CHF','CLP','CNY','COP','CRC','CUP','CVE','CZK','DJF','DKK','DOP','DZD','EGP','ERN','ETB','EUR','FJD','FKP','GBP','GEL','GHS','GIP','GMD','GNF','GTQ','GYD','HKD','HNL','HTG','HUF','IDR','ILS','INR','IQD','IRR','ISK','JMD','JOD','JPY','KES','KGS','KHR','KMF','KPW','KRW','KWD','KYD','KZT','LAK','LBP','LKR','LRD','LSL','LYD','MAD','MDL','MGA','MKD','MMK','MNT','MOP','MRU','MUR','MVR','MWK','MXN','MYR','MZN','NAD','NGN','NIO','NOK','NPR','NZD','OMR','PAB','PEN','PGK','PHP','PKR','PLN','PYG','QAR','RON','RSD','RUB','RWF','SAR','SBD','SCR','SDG','SEK','SGD','SHP','SLE','SOS','SRD','SSP','STN','SVC','SYP','SZL','THB','TJS','TMT','TND','TOP','TRY','TTD','TWD','TZS','UAH','UGX','USD','UYU','UZS','VES','VND','VUV','WST','XAF','XCD','XCG','XOF','XPF','YER','ZAR','ZMW','ZWG') AS good_currency,
            NOT hasAny(e.consent_granted, e.consent_denied) AS good_consent,
            e.home_basis != '' AS has_home,
            e.home_commune_code != '' AS has_commune,
            e.area_status != '' AS has_area,
            e.profile_age_band != '' OR e.customer_age_band != '' AS has_age,
            e.profile_gender != '' OR e.customer_gender != '' AS has_gender,
            e.occurred_at <= e.received_at + INTERVAL 5 MINUTE AND e.occurred_at >= e.received_at - INTERVAL 2 YEAR AS plausible
        SELECT
            toString(e.workspace) AS workspace,
            toString(e.source) AS source,
            max(e.received_at) AS newest,
            [
                ('occurred_at', count(), count(), countIf(plausible), countIf(in_time), uniqExact(e.occurred_at), newest,
                    'every event; not later than 5 minutes after it was received, nor more than 2 years before'),
                ('identifiers', count(), countIf(has_ids), countIf(has_ids AND good_ids), countIf(has_ids AND in_time), uniqExactIf(e.anchor, has_ids), newest,
                    'every event; none was ignored as invalid; distinct values are anchors'),
                ('consent', count(), countIf(e.consent_stated), countIf(e.consent_stated AND good_consent), countIf(e.consent_stated AND in_time),
                    uniqExactIf((arraySort(e.consent_granted), arraySort(e.consent_denied)), e.consent_stated), newest,
                    'every event; no purpose both granted and refused'),
                ('store_id', countIf(of_store), countIf(has_store), countIf(has_store AND known_store), countIf(has_store AND in_time), uniqExactIf(e.store_id, has_store), maxIf(e.received_at, of_store),
                    'events of channel store, and others that name a shop; a shop that tills named in at least 10 events'),
                ('order_id', countIf(is_order), countIf(is_order AND has_order), countIf(is_order AND has_order), countIf(is_order AND has_order AND in_time),
                    uniqExactIf(if(e.order_id != '', e.order_id, concat(e.store_id, '/', e.register_id, '/', e.receipt_id)), is_order AND has_order), maxIf(e.received_at, is_order),
                    'orders and tickets; an order, or a receipt that stands for one'),
                ('total', countIf(is_order), countIf(is_order AND amount IS NOT NULL), countIf(is_order AND ifNull(amount >= 0, false)), countIf(is_order AND amount IS NOT NULL AND in_time),
                    uniqExactIf(amount, is_order AND amount IS NOT NULL), maxIf(e.received_at, is_order),
                    'orders and tickets: total, revenue, value or subtotal; not below 0'),
                ('currency', countIf(has_amount), countIf(has_amount AND e.currency != ''), countIf(has_amount AND good_currency), countIf(has_amount AND e.currency != '' AND in_time),
                    uniqExactIf(e.currency, has_amount AND e.currency != ''), maxIf(e.received_at, has_amount),
                    'events with an amount; an ISO 4217 code in use'),
                ('items.product_id', countIf(has_items), countIf(has_items AND all_products), countIf(has_items AND all_products AND good_products), countIf(has_items AND all_products AND in_time),
                    length(groupUniqArrayArray(if(has_items AND all_products, e.`items.product_id`, []))), maxIf(e.received_at, has_items),
                    'events with products, filled when all lines are; at most 100 bytes, without spaces at the ends'),
                ('items.price', countIf(has_items AND is_order), countIf(has_items AND is_order AND all_prices), countIf(has_items AND is_order AND all_prices AND good_prices), countIf(has_items AND is_order AND all_prices AND in_time),
                    length(groupUniqArrayArray(if(has_items AND is_order AND all_prices, e.`items.price`, []))), maxIf(e.received_at, has_items AND is_order),
                    'orders and tickets with products, filled when all lines are; above 0'),
                ('enriched.home', count(), countIf(has_home), countIf(has_home AND (has_commune OR e.home_country NOT IN ('', 'FR'))), countIf(has_home AND in_time), uniqExactIf(e.home_commune_code, has_commune), newest,
                    'every event, filled when a home is known; its commune is, or another country than France; distinct values are communes'),
                ('enriched.area', countIf(has_commune), countIf(has_commune AND has_area), countIf(has_commune AND e.area_median_income IS NOT NULL), countIf(has_commune AND has_area AND in_time),
                    uniqExactIf(e.area_code, has_commune AND has_area), maxIf(e.received_at, has_commune),
                    'events whose commune is known, filled when its statistics were asked for; the median income is published and not withheld; distinct values are areas'),
                ('enriched.profile', count(), countIf(has_age OR has_gender), countIf(has_age AND has_gender), countIf((has_age OR has_gender) AND in_time),
                    uniqExactIf((if(e.profile_age_band != '', e.profile_age_band, e.customer_age_band), if(e.profile_gender != '', e.profile_gender, e.customer_gender)), has_age OR has_gender), newest,
                    'every event, filled when age band or gender is stated or known of the customer; both are')
            ] AS ones
        FROM parcours.events AS e
        WHERE e.received_at >= now('UTC') - INTERVAL 30 DAY
        GROUP BY workspace, source
    )
    ARRAY JOIN ones AS one
    UNION ALL
    SELECT
        workspace, source,
        (concat('contact.', value.1), count(), countIf(value.2 != ''), countIf(value.2 != '' AND value.3), countIf(value.2 != '' AND value.4 >= now('UTC') - INTERVAL 365 DAY),
            uniqExactIf(value.2, value.2 != ''), max(value.5), value.6) AS one
    FROM
    (
        -- What each source last said of each anchor, field by field; rows that merges have not yet taken say the same.
        SELECT
            toString(c.workspace) AS workspace,
            toString(c.source) AS source,
            c.anchor AS anchor,
            max(c.occurred_at) AS newest,
            argMaxIf((lower(trim(BOTH ' ' FROM c.email)), c.occurred_at), c.version, c.email != '') AS email,
            argMaxIf((replaceRegexpAll(c.phone, '[\\s().\\-/]', ''), c.occurred_at), c.version, c.phone != '') AS phone,
            argMaxIf((trim(BOTH ' ' FROM c.postal_code), c.occurred_at, upper(c.country)), c.version, c.postal_code != '') AS postal_code,
            argMaxIf((ifNull(toString(c.birth_date), ''), c.occurred_at, ifNull(c.birth_date <= toDate32(now('UTC')) AND c.birth_date >= toDate32(now('UTC')) - INTERVAL 120 YEAR, false)), c.version, c.birth_date IS NOT NULL) AS birth_date,
            argMaxIf((trim(BOTH ' ' FROM if(c.last_name != '', c.last_name, c.full_name)), c.occurred_at), c.version, c.last_name != '' OR c.full_name != '') AS last_name
        FROM parcours.contacts AS c
        GROUP BY workspace, source, anchor
    )
    ARRAY JOIN
    [
        ('email', email.1, length(email.1) <= 254 AND match(email.1, '^[^@\\s]{1,64}@([^@\\s.]+\\.)+[^@\\s.]{2,}$'), email.2, newest,
            'anchors that the source says a contact value of; local part, @, and a domain with a dot'),
        ('phone', phone.1, match(phone.1, '^(\\+|00)?[0-9]{8,15}$'), phone.2, newest,
            'likewise; 8 to 15 digits, with + or 00 before them or not'),
        ('postal_code', postal_code.1, if(postal_code.3 IN ('', 'FR', 'FRA', 'FRANCE'), match(postal_code.1, '^(0[1-9]|[1-8][0-9]|9[0-578])[0-9]{3}$'), match(postal_code.1, '^[0-9A-Za-z][0-9A-Za-z \\-]{1,9}$')), postal_code.2, newest,
            'likewise; five digits of a French department unless another country is stated, there 2 to 10 letters and digits'),
        ('birth_date', birth_date.1, birth_date.3, birth_date.2, newest,
            'likewise; not in the future, nor more than 120 years ago'),
        ('last_name', last_name.1, match(last_name.1, '\\p{L}{2}') AND NOT match(last_name.1, '[0-9@]'), last_name.2, newest,
            'likewise, or the full name; two letters at least, no digits')
    ] AS value
    GROUP BY workspace, source, value.1, value.6
) AS q
WHERE checked > 0
COMMENT 'Per source and field: how much is filled, right and fresh. Shows counts, never values. Computed every hour.';
