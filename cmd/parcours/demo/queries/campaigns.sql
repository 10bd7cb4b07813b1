SELECT
    campaign_name AS letter,
    delivered,
    toDecimalString(100 * open_rate, 1) AS opened_percent,
    toDecimalString(100 * click_rate, 1) AS clicked_percent,
    unsubscribed,
    click_orders AS orders_after_click,
    open_orders AS orders_after_opening,
    round(revenue, 2) AS revenue
FROM parcours.campaign_performance
WHERE medium = 'email' AND delivered > 0
ORDER BY letter
LIMIT 8
