SELECT
    dimension,
    value,
    customers,
    round(100 * web_only_share, 1) AS web_only_percent,
    round(100 * store_only_share, 1) AS store_only_percent,
    round(100 * multichannel_share, 1) AS multichannel_percent,
    orders,
    round(average_basket, 2) AS basket
FROM parcours.profile_channel_mix
WHERE dimension != 'region' OR customers IS NOT NULL
ORDER BY
    indexOf(['age_band', 'income_decile', 'region'], dimension),
    value = 'unknown',
    if(dimension = 'region', -1 * ifNull(customers, 0), ifNull(toUInt8OrNull(value), 0)),
    value != 'under_18',
    value
