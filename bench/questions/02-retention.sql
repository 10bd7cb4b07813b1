-- 2. Retention: of the customers who first bought in a month, what share bought again in each of the months after?
--
-- cohort_month: month of the first order. months_since: months after it; 0 is the month itself. customers: size of the cohort.
-- retained: customers of it who ordered in that month. share: retained of customers. revenue: net revenue of these orders.
WITH
    bought AS
    (
        SELECT customer_id, toStartOfMonth(occurred_at) AS month, sum(net_revenue) AS revenue
        FROM parcours.orders
        WHERE workspace = 'default' AND status != 'cancelled'
        GROUP BY customer_id, month
    ),
    cohorts AS
    (
        SELECT cohort_month, uniqExact(customer_id) AS customers
        FROM (SELECT customer_id, min(month) AS cohort_month FROM bought GROUP BY customer_id)
        GROUP BY cohort_month
    )
SELECT
    b.cohort_month AS cohort_month,
    dateDiff('month', b.cohort_month, b.month) AS months_since,
    any(c.customers) AS customers,
    uniqExact(b.customer_id) AS retained,
    round(retained / customers, 4) AS share,
    sum(b.revenue) AS revenue
FROM
(
    SELECT customer_id, month, revenue, min(month) OVER (PARTITION BY customer_id) AS cohort_month
    FROM bought
) AS b
JOIN cohorts AS c ON c.cohort_month = b.cohort_month
GROUP BY cohort_month, months_since
ORDER BY cohort_month, months_since
