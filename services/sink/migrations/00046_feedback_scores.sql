-- Satisfaction by survey: NPS, CSAT and CES. Scores of any scale are brought to that of the measure.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.feedback_scores
(
    workspace  LowCardinality(String) COMMENT 'Tenant.',
    survey_id  LowCardinality(String) COMMENT 'Survey; empty when not stated.',
    kind       LowCardinality(String) COMMENT 'nps, csat, ces, review or another measure, in lower case; empty when not stated.',
    store_id   LowCardinality(String) COMMENT 'Shop that the answer names, else the shop of the order that it names; empty without.',
    channel    LowCardinality(String) COMMENT 'Where the order that the answer names was placed; where the answer was given when it names none.',
    month      Date COMMENT 'Month of the answers, as its first day, UTC.',
    answers    UInt64 COMMENT 'Answers with a score on its scale.',
    customers  UInt64 COMMENT 'Customers who gave them; identifiers that nobody stands behind are none.',
    comments   UInt64 COMMENT 'Free texts, those without a score included.',
    invalid    UInt64 COMMENT 'Scores below 0 or above their scale; they count nowhere else.',
    mean       Nullable(Float64) COMMENT 'Mean score as a share of its scale, 0 to 1; null without answers. A scale that is not stated is 10 for nps, 5 for csat and review, 7 for ces, and otherwise such scores are left out of it.',
    promoters  UInt64 COMMENT 'Of nps: answers of 9 or 10 out of 10.',
    passives   UInt64 COMMENT 'Of nps: answers of 7 or 8.',
    detractors UInt64 COMMENT 'Of nps: answers of 0 to 6.',
    nps        Nullable(Float64) COMMENT 'Net promoter score, -100 to 100: per cent of promoters less per cent of detractors; null for other measures.',
    satisfied  UInt64 COMMENT 'Of csat: answers of at least 4 out of 5.',
    csat       Nullable(Float64) COMMENT 'Per cent of satisfied among the answers, 0 to 100; null for other measures.',
    ces        Nullable(Float64) COMMENT 'Customer effort score: mean of the answers on a scale of 7; null for other measures.'
)
AS SELECT
    f.workspace AS workspace,
    f.survey_id AS survey_id,
    f.kind AS kind,
    if(f.store_id != '', f.store_id, o.store_id) AS store_id,
    if(o.channel != '', o.channel, f.channel) AS channel,
    f.month AS month,
    countIf(f.valid) AS answers,
    uniqExactIf(f.customer_id, f.valid AND NOT f.shared) AS customers,
    countIf(f.commented) AS comments,
    countIf(f.score IS NOT NULL AND NOT f.valid) AS invalid,
    -- Rounded, because the last digits of a sum depend on the order of its terms, which merges change.
    round(toFloat64(avgOrNullIf(f.share, f.valid)), 9) AS mean,
    countIf(f.kind = 'nps' AND f.valid AND f.share >= 0.9) AS promoters,
    countIf(f.kind = 'nps' AND f.valid AND f.share >= 0.7 AND f.share < 0.9) AS passives,
    countIf(f.kind = 'nps' AND f.valid AND f.share < 0.7) AS detractors,
    if(f.kind = 'nps' AND answers > 0, 100 * (toInt64(promoters) - toInt64(detractors)) / answers, NULL) AS nps,
    countIf(f.kind = 'csat' AND f.valid AND f.share >= 0.8) AS satisfied,
    if(f.kind = 'csat' AND answers > 0, 100 * satisfied / answers, NULL) AS csat,
    if(f.kind = 'ces' AND answers > 0, 7 * mean, NULL) AS ces
FROM
(
    SELECT
        e.workspace AS workspace,
        e.survey_id AS survey_id,
        lower(e.feedback_kind) AS kind,
        e.store_id AS store_id,
        e.channel AS channel,
        toStartOfMonth(toDate(e.occurred_at, 'UTC')) AS month,
        e.customer_id AS customer_id,
        e.shared AS shared,
        e.feedback_comment != '' AS commented,
        e.feedback_score AS score,
        multiIf(e.feedback_scale > 0, toFloat64(e.feedback_scale), kind = 'nps', 10, kind IN ('csat', 'review'), 5, kind = 'ces', 7, NULL) AS scale,
        -- In whole ten-thousandths, or 9 of 10 might be a hair less than 0.9.
        if(scale > 0, round(toFloat64(score) / scale, 6), NULL) AS share,
        ifNull(score >= 0 AND (scale IS NULL OR toFloat64(score) <= scale), false) AS valid,
        if(e.order_id != '', e.order_id, ifNull(toString(e.properties.order_id), '')) AS order_id
    FROM parcours.customer_events AS e
    WHERE e.survey_id != '' OR e.feedback_kind != '' OR e.feedback_score IS NOT NULL OR e.feedback_comment != ''
) AS f
LEFT JOIN
(
    SELECT x.workspace AS workspace, x.order_id AS order_id, argMin((toString(x.channel), toString(x.store_id)), (x.occurred_at, x.received_at, x.event_id)) AS first, first.1 AS channel, first.2 AS store_id
    FROM parcours.events AS x
    WHERE x.type = 'track' AND x.name IN ('Order Completed', 'Completed Order', 'Order Updated', 'Updated Order') AND x.order_id != ''
    GROUP BY workspace, order_id
) AS o ON o.workspace = f.workspace AND o.order_id = f.order_id
GROUP BY workspace, survey_id, kind, store_id, channel, month
COMMENT 'Answers to surveys by survey, measure, shop, channel and month: NPS, CSAT, CES. Sum answers, promoters and detractors over rows, then divide; never average nps.';
