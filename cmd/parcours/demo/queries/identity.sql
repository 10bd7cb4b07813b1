SELECT message_id, customer_id
FROM parcours.customer_events
