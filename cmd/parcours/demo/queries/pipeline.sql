SELECT
    (SELECT count() FROM parcours.customer_events) AS stored,
    (SELECT uniqExact(event_id) FROM parcours.customer_events) AS stored_distinct,
    (SELECT uniqExact(source, message_id) FROM parcours.rejected_events) AS rejected,
    (SELECT uniqExact(customer_id) FROM parcours.customer_events) AS customers,
    (SELECT count() FROM parcours.orders) AS orders,
    (SELECT round(sum(net_total), 2) FROM parcours.orders) AS revenue
