-- Who buys where. It may be passed on: no number in it stands for fewer than five customers, nor can one be worked out from the others of
-- its row. Who may read this view may read the rows behind it as well; what is hidden here is for those to whom it is shown.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.profile_channel_mix
(
    workspace          LowCardinality(String) COMMENT 'Tenant.',
    dimension          LowCardinality(String) COMMENT 'What the buyers are divided by: age_band, income_decile (of the area where they live) or region.',
    value              LowCardinality(String) COMMENT 'Value of it; unknown for those whose is not known.',
    customers          Nullable(UInt64) COMMENT 'Customers who bought; null when there are fewer than 5.',
    web_only           Nullable(UInt64) COMMENT 'Of these, who bought on the web or in the app alone; null when hidden.',
    store_only         Nullable(UInt64) COMMENT 'Of these, in shops alone; null when hidden.',
    multichannel       Nullable(UInt64) COMMENT 'Of these, in more than one kind of place; null when hidden.',
    other_only         Nullable(UInt64) COMMENT 'Of these, elsewhere alone; null when hidden.',
    web_only_share     Nullable(Float64) COMMENT 'Share of web_only among customers, 0 to 1; null when hidden.',
    store_only_share   Nullable(Float64) COMMENT 'Share of store_only, 0 to 1; null when hidden.',
    multichannel_share Nullable(Float64) COMMENT 'Share of multichannel, 0 to 1; null when hidden.',
    orders             Nullable(UInt64) COMMENT 'Purchases of the customers; null when there are fewer than 5 customers.',
    average_basket     Nullable(Decimal(38, 4)) COMMENT 'Revenue by purchases, refunds deducted, without tax and shipping; null when there are fewer than 5 customers.',
    currency           LowCardinality(String) COMMENT 'Currency of average_basket.',
    small              Bool COMMENT 'Whether numbers of the row are hidden because they stand for 1 to 4 customers, or would give such a number away.'
)
AS WITH
    [g.web_only, g.store_only, g.multichannel, g.other_only] AS cells,
    arrayMap(n -> n BETWEEN 1 AND 4, cells) AS few,
    -- One hidden number alone is the total less the others: the smallest of them is hidden as well.
    if(arrayCount(x -> x, few) = 1, indexOf(arrayMap((n, x) -> if(x OR n = 0, toUInt64(18446744073709551615), n), cells, few), arrayMin(arrayMap((n, x) -> if(x OR n = 0, toUInt64(18446744073709551615), n), cells, few))), 0) AS second,
    arrayMap((n, x, i) -> if(g.buyers < 5 OR x OR i = second, NULL, n), cells, few, [1, 2, 3, 4]) AS shown
SELECT
    g.workspace AS workspace,
    g.dimension AS dimension,
    g.value AS value,
    if(g.buyers < 5, NULL, g.buyers) AS customers,
    shown[1] AS web_only,
    shown[2] AS store_only,
    shown[3] AS multichannel,
    shown[4] AS other_only,
    web_only / customers AS web_only_share,
    store_only / customers AS store_only_share,
    multichannel / customers AS multichannel_share,
    if(g.buyers < 5, NULL, g.purchased) AS orders,
    if(g.buyers < 5, NULL, toDecimal128(divideDecimal(g.spent, toDecimal128(g.purchased, 0), 4), 4)) AS average_basket,
    g.currency AS currency,
    CAST(arrayExists(n -> n IS NULL, shown), 'Bool') AS small
FROM
(
    SELECT
        m.workspace AS workspace,
        d.1 AS dimension,
        d.2 AS value,
        count() AS buyers,
        countIf(m.mix = 'web_only') AS web_only,
        countIf(m.mix = 'store_only') AS store_only,
        countIf(m.mix = 'multichannel') AS multichannel,
        countIf(m.mix = 'other_only') AS other_only,
        sum(m.orders) AS purchased,
        sum(m.revenue) AS spent,
        any(m.currency) AS currency
    FROM parcours.channel_mix AS m
    LEFT JOIN parcours.customer_profiles AS p ON p.workspace = m.workspace AND p.customer_id = m.customer_id
    ARRAY JOIN [
        ('age_band', if(p.age_band = '', 'unknown', toString(p.age_band))),
        ('income_decile', ifNull(toString(p.area_income_decile), 'unknown')),
        ('region', if(p.home_region = '', 'unknown', toString(p.home_region)))
    ] AS d
    GROUP BY workspace, dimension, value
) AS g
COMMENT 'Customers who bought, by age band, income decile of where they live and region, against where they buy: full web, full store or multichannel. Numbers that stand for fewer than five customers are hidden.';
