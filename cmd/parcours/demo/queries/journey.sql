SELECT
    formatDateTime(min(v.occurred_at), '%a %e %H:%i', 'Europe/Paris') AS paris_time,
    v.channel AS channel,
    arrayStringConcat(arrayDistinct(groupArray(transform(toString(v.anchor_type),
        ['user_id', 'loyalty_card', 'payment_reference', 'device_id', 'anonymous_id'],
        ['account', 'loyalty card', 'bank card', 'app', 'cookie'],
        toString(v.anchor_type)))), ', ') AS known_by,
    countIf(v.type IN ('page', 'screen')) AS pages,
    countIf(v.name = 'Product Viewed') AS products,
    anyIf(v.traffic_source, v.traffic_source != '' AND v.traffic_referrer_class != 'internal')
        AS came_from,
    countIf(v.name = 'Order Completed') AS orders,
    flatten(groupArrayIf(v.items.name, v.name = 'Order Completed')) AS bought,
    arrayStringConcat(arrayFilter(part -> part != '',
    [
        if(came_from != '' AND v.channel = 'web', 'from ' || came_from, ''),
        if(orders > 0, 'buys ' || arrayStringConcat(bought, ' + '), ''),
        if(countIf(v.name = 'Order Refunded') > 0, 'is paid back', ''),
        if(countIf(v.name = 'Product Added') > 0 AND orders = 0, 'leaves a cart', ''),
        if(countIf(v.name = 'Signed In') > 0, 'signs in', ''),
        multiIf(pages > 1, toString(pages) || ' pages', pages = 1, '1 page', ''),
        multiIf(products > 1, toString(products) || ' products', products = 1, '1 product', ''),
        if(max(v.store_id) != '', 'at ' || max(v.store_id), ''),
        arrayStringConcat(arrayDistinct(groupArrayIf(lower(v.name),
            v.channel NOT IN ('web', 'app', 'store') AND v.type = 'track')), ', '),
        if(countIf(v.type = 'identify' AND v.channel = 'crm') > 0, 'profile from the file', '')
    ]), ', ') AS what,
    nullIf(round(sumIf(ifNull(v.total, 0), v.name = 'Order Completed')
        - sumIf(ifNull(v.total, 0), v.name = 'Order Refunded'), 2), 0) AS amount
FROM
(
    -- A visit ends after half an hour without an event on its channel.
    SELECT *, sum(starts) OVER (PARTITION BY channel ORDER BY occurred_at, event_id) AS visit
    FROM
    (
        SELECT *,
            dateDiff('second', lagInFrame(occurred_at) OVER one_channel, occurred_at) > 1800
                AS starts
        FROM
        (
            SELECT * FROM parcours.customer_events
            WHERE customer_id = '{customer}'
            LIMIT 1 BY event_id
        )
        WINDOW one_channel AS (PARTITION BY channel ORDER BY occurred_at, event_id
            ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
    )
) AS v
GROUP BY v.channel, v.visit
ORDER BY min(v.occurred_at)
LIMIT 30
