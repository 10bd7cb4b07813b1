-- 4. RFM: how many customers are in each cell of recency and frequency, and what are they worth?
--
-- r_score, f_score: quintiles of recency and frequency, 5 the best. customers: how many. recency_days, frequency: medians.
-- monetary: mean net revenue. revenue_share: of all net revenue.
SELECT
    r_score,
    f_score,
    count() AS customers,
    median(b.recency_days) AS recency_days,
    median(b.frequency) AS frequency,
    round(avg(b.monetary), 2) AS monetary,
    round(sum(b.monetary) / sum(sum(b.monetary)) OVER (), 4) AS revenue_share
FROM
(
    SELECT
        recency_days, frequency, monetary,
        6 - ntile(5) OVER (ORDER BY recency_days, customer_id) AS r_score,
        ntile(5) OVER (ORDER BY frequency, customer_id) AS f_score
    FROM
    (
        SELECT customer_id, dateDiff('day', max(occurred_at), now()) AS recency_days, count() AS frequency, toFloat64(sum(net_revenue)) AS monetary
        FROM parcours.orders
        WHERE workspace = 'default' AND status != 'cancelled'
        GROUP BY customer_id
    )
) AS b
GROUP BY r_score, f_score
ORDER BY r_score DESC, f_score DESC
