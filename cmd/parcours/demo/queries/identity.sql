-- At a kiosk where nobody is signed in, each visit may be another's.
SELECT message_id, if(shared, event_id, customer_id) AS customer
FROM parcours.customer_events
