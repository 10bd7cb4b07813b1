SELECT
    formatDateTime(min(v.occurred_at), '%a %e %H:%i', 'Europe/Paris') AS paris_time,
    v.channel AS channel,
    arrayStringConcat(arrayDistinct(groupArray(transform(toString(v.anchor_type),
        ['user_id', 'loyalty_card', 'payment_reference', 'device_id', 'anonymous_id', 'till_record'],
        ['account', 'loyalty card', 'bank card', 'app', 'cookie', 'ticket'], toString(v.anchor_type)))), ', ') AS known_by,
    countIf(v.type IN ('page', 'screen')) AS pages,
    countIf(v.name = 'Product Viewed') AS products,
    anyIf(v.traffic_source, v.traffic_source != '' AND v.traffic_referrer_class != 'internal') AS came_from,
    arrayStringConcat(arrayFilter(part -> part != '',
    [
        if(came_from != '' AND v.channel = 'web', 'from ' || came_from, ''),
        multiIf(pages > 1, toString(pages) || ' pages', pages = 1, '1 page', ''),
        multiIf(products > 1, toString(products) || ' products', products = 1, '1 product', ''),
        if(countIf(v.name = 'Signed In') > 0, 'signs in', ''),
        if(countIf(v.name = 'Product Added') > 0 AND countIf(v.name = 'Order Completed') = 0, 'leaves a cart', ''),
        if(countIf(v.name = 'Order Completed') > 0, 'buys ' || arrayStringConcat(flatten(groupArrayIf(v.items.name, v.name = 'Order Completed')), ' + '), ''),
        if(countIf(v.name = 'Order Refunded') > 0, 'is paid back', ''),
        if(max(v.store_id) != '', 'at ' || max(v.store_id), ''),
        arrayStringConcat(arrayDistinct(groupArrayIf(lower(v.name), v.channel NOT IN ('web', 'app', 'store') AND v.type = 'track')), ', '),
        if(countIf(v.type = 'identify' AND v.channel = 'crm') > 0, 'profile from the customer file', '')
    ]), ', ') AS what,
    nullIf(round(sumIf(v.total, v.name = 'Order Completed') - sumIf(v.total, v.name = 'Order Refunded'), 2), 0) AS amount
FROM
(
    -- A visit ends after half an hour without an event on its channel.
    SELECT *, sum(starts) OVER (PARTITION BY channel ORDER BY occurred_at, event_id) AS visit
    FROM
    (
        SELECT *, dateDiff('second', lagInFrame(occurred_at) OVER (PARTITION BY channel ORDER BY occurred_at, event_id
            ROWS BETWEEN 1 PRECEDING AND CURRENT ROW), occurred_at) > 1800 AS starts
        FROM (SELECT * FROM parcours.customer_events WHERE customer_id = '{customer}' LIMIT 1 BY event_id)
    )
) AS v
GROUP BY v.channel, v.visit
ORDER BY min(v.occurred_at)
LIMIT 30
