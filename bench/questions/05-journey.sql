-- 5. Journey of one customer: all that one customer did, wherever and however recognised, the last first.
--
-- The customer is the parameter `customer`: clickhouse-client --param_customer=UUID, or ?param_customer=UUID over HTTP.
-- Filtering customer_events by customer_id alone looks every event up. These are all nodes that were ever the customer's: the
-- events of their anchors, and of the anchors that several share, are few, and an index finds them.
--
-- occurred_at: when. channel: where. what: what happened. page: page or shop. product: first product. order_id: order or ticket.
-- total: amount of an order. origin: what brought the visit. anchor_type: the identifier that it was recognised by.
WITH
    {customer:UUID} AS customer,
    nodes AS
    (
        SELECT customer AS node
        UNION DISTINCT
        SELECT node FROM parcours.identity_changes WHERE workspace = 'default' AND (canonical = customer OR shared)
    )
SELECT
    occurred_at,
    channel,
    if(name = '', type, name) AS what,
    if(store_id = '', page_path, store_id) AS page,
    `items.name`[1] AS product,
    order_id,
    total,
    traffic_channel_group AS origin,
    anchor_type
FROM parcours.customer_events
WHERE workspace = 'default' AND customer_id = customer AND anchor IN (SELECT node FROM nodes)
ORDER BY occurred_at DESC
LIMIT 200
