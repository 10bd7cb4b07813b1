-- 10. NPS by shop: what do the buyers of each shop answer when asked whether they recommend us?
--
-- store_id: shop of the order that the survey asked about; empty for orders placed at a distance. answers: how many.
-- promoters, passives, detractors: answers of 9 and 10, 7 and 8, 0 to 6. nps: share of promoters less that of detractors, in
-- points. margin: half of its 95 percent interval. mean: mean score.
SELECT
    o.store_id AS store_id,
    count() AS answers,
    countIf(score >= 9) AS promoters,
    countIf(score >= 7 AND score < 9) AS passives,
    countIf(score < 7) AS detractors,
    round(100 * (promoters - detractors) / answers, 1) AS nps,
    round(196 * sqrt((promoters / answers + detractors / answers - pow((promoters - detractors) / answers, 2)) / answers), 1) AS margin,
    round(avg(score), 2) AS mean
FROM
(
    SELECT toFloat64(assumeNotNull(feedback_score)) AS score, properties.order_id.:String AS order_id
    FROM parcours.events
    WHERE workspace = 'default' AND type = 'track' AND name = 'Survey Answered' AND feedback_kind = 'nps' AND feedback_score IS NOT NULL
) AS f
LEFT JOIN (SELECT order_id, store_id FROM parcours.orders WHERE workspace = 'default') AS o ON o.order_id = f.order_id
GROUP BY store_id
ORDER BY answers DESC, store_id
