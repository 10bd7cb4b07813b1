SELECT
    substring(toString(customer_id), 1, 8) AS customer,
    round(total, 2) AS spent,
    orders,
    store_orders AS in_store,
    remote_orders AS online,
    anchors AS identities,
    arrayStringConcat(arrayFilter(c -> c NOT IN ('crm', 'server'), channels), ', ') AS seen_on
FROM parcours.customers
WHERE known
ORDER BY total DESC, customer_id
LIMIT 10
