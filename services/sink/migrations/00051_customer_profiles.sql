-- Who the customers are, as far as the events say or suggest it. Events are aggregated by anchor first, then by the customer of now; those of
-- a shared anchor by what else they show. The last event that says something of a matter says all of it, so that no commune stands
-- beside another one's region; the statistics of an area count while the customer still lives in its commune. An event whose consent is
-- refused says something as well: that nothing is known any more.

-- +goose NO TRANSACTION
-- +goose Up
CREATE MATERIALIZED VIEW IF NOT EXISTS parcours.customer_profiles
REFRESH EVERY 15 MINUTE OFFSET 4 MINUTE
(
    workspace           LowCardinality(String) COMMENT 'Tenant.',
    customer_id         UUID COMMENT 'Customer of now, of whom anything of this is known.',
    age_band            LowCardinality(String) COMMENT 'Age band by the birth date: under_18, 18-24, 25-34, 35-44, 45-54, 55-64, 65-74, 75+; empty when not known. As of the last event that says it.',
    age_band_estimate   LowCardinality(String) COMMENT 'Estimate: most likely age band of people with the customer\'s first name; empty when age_band is known or nothing is estimated.',
    age_band_probability Nullable(Float64) COMMENT 'Probability of age_band_estimate, 0 to 1; null without one.',
    gender              LowCardinality(String) COMMENT 'female, male or other, as declared or by the civility, else female or male as the first name suggests; empty when not known.',
    gender_estimated    Bool COMMENT 'Whether gender is an estimate from the first name.',
    gender_probability  Nullable(Float64) COMMENT 'Probability of an estimated gender, 0 to 1; null when it is stated or not known.',
    home_country        LowCardinality(String) COMMENT 'ISO 3166 country of the last known home.',
    home_postal_code    LowCardinality(String) COMMENT 'Postcode of the home.',
    home_commune_code   LowCardinality(String) COMMENT 'INSEE code of the commune; empty when not sure.',
    home_commune        LowCardinality(String) COMMENT 'Commune.',
    home_department_code LowCardinality(String) COMMENT 'INSEE code of the department.',
    home_department     LowCardinality(String) COMMENT 'Department.',
    home_region_code    LowCardinality(String) COMMENT 'INSEE code of the region.',
    home_region         LowCardinality(String) COMMENT 'Region; empty when not known.',
    home_density        LowCardinality(String) COMMENT 'Density class of the commune: dense, intermediate, rural; empty when not known.',
    home_confidence     Nullable(Float64) COMMENT 'Probability that the commune is right, 0 to 1, as of the last event that stated an address there; null when no commune is known.',
    area_level          LowCardinality(String) COMMENT 'Which area the statistics describe: commune, iris, or iris_declared where the incomes are declared ones, before taxes and benefits; empty without any. They describe the people of the area together, and no person.',
    area_code           LowCardinality(String) COMMENT 'INSEE code of that area.',
    area_status         LowCardinality(String) COMMENT 'known, partly_withheld, withheld (the publisher keeps small areas secret) or unknown; empty when nobody asked, as without consent.',
    area_median_income  Nullable(Int32) COMMENT 'Median disposable income per consumption unit in the area, EUR a year.',
    area_income_quintile Nullable(UInt8) COMMENT 'Quintile of the area by it, 1 to 5; null when not known.',
    area_income_decile  Nullable(UInt8) COMMENT 'Decile of the area by it, 1 to 10; null when not known.',
    area_poverty_rate   Nullable(Float64) COMMENT 'People of the area below 60 % of the national median, percent.',
    contactability      Nullable(UInt8) COMMENT 'By how many ways, and how surely, the person can be reached, 0 to 100; null when never assessed.',
    household           LowCardinality(String) COMMENT 'Hint of the household: couple, family, shared, institution or company; empty without one.',
    household_id        String COMMENT 'Keyed hash of address and family name; customers of one household share it. Empty when the address is not complete.',
    dwelling            LowCardinality(String) COMMENT 'Hint of the dwelling: flat, house, po_box, care_home, student_residence, campsite or rural_place; empty without one.',
    loyalty_tier        LowCardinality(String) COMMENT 'Tier of the loyalty programme, as last known; empty without one.',
    first_order_date    Nullable(Date32) COMMENT 'Date of the first order: the earliest that an event knew of, or that orders has; null without one.',
    orders_band         LowCardinality(String) COMMENT 'Orders: 0, 1, 2-3, 4-9 or 10+: the greater of what events knew and of what orders has, cancelled ones left out.',
    known_at            DateTime64(3, 'UTC') COMMENT 'Last event that said anything of this.'
)
ENGINE = MergeTree
ORDER BY (workspace, customer_id)
EMPTY
AS WITH
    ['0', '1', '2-3', '4-9', '10+'] AS bands,
    c.place.3 = c.area.1 AND c.place.2 = c.area.2 AS at_home,
    c.age.1 = '' AND c.estimate.3 != '' AS age_guessed,
    multiIf(ifNull(o.orders, 0) = 0, 1, o.orders = 1, 2, o.orders < 4, 3, o.orders < 10, 4, 5) AS counted
SELECT
    c.workspace AS workspace,
    c.customer_id AS customer_id,
    c.age.1 AS age_band,
    if(age_guessed, c.estimate.3, '') AS age_band_estimate,
    if(age_guessed, c.estimate.4, NULL) AS age_band_probability,
    if(c.sex.1 = '' AND c.estimate.2 IN ('female', 'male'), c.estimate.2, c.sex.1) AS gender,
    CAST(c.sex.1 = '' AND gender != '', 'Bool') AS gender_estimated,
    if(gender_estimated, if(gender = 'female', c.estimate.1, 1 - c.estimate.1), NULL) AS gender_probability,
    c.place.1 AS home_country,
    c.place.2 AS home_postal_code,
    c.place.3 AS home_commune_code,
    c.place.4 AS home_commune,
    c.place.5 AS home_department_code,
    c.place.6 AS home_department,
    c.place.7 AS home_region_code,
    c.place.8 AS home_region,
    c.place.9 AS home_density,
    if(c.sure.1 = c.place.2 AND c.sure.2 = c.place.3, c.sure.3, NULL) AS home_confidence,
    if(at_home, c.area.3, '') AS area_level,
    if(at_home, c.area.4, '') AS area_code,
    if(at_home, c.area.5, '') AS area_status,
    if(at_home, c.area.6, NULL) AS area_median_income,
    if(at_home, c.area.7, NULL) AS area_income_quintile,
    if(at_home, c.area.8, NULL) AS area_income_decile,
    if(at_home, c.area.9, NULL) AS area_poverty_rate,
    c.reach.1 AS contactability,
    c.household.1 AS household,
    c.household_id.1 AS household_id,
    c.dwelling.1 AS dwelling,
    c.tier.1 AS loyalty_tier,
    if(ifNull(o.orders, 0) > 0, least(ifNull(c.first_order, o.first_order), o.first_order), c.first_order) AS first_order_date,
    bands[greatest(c.band, counted)] AS orders_band,
    c.known_at AS known_at
FROM
(
    SELECT
        r.workspace AS workspace,
        r.customer_id AS customer_id,
        argMax(r.age, r.age_at) AS age,
        argMax(r.sex, r.sex_at) AS sex,
        argMax(r.estimate, r.estimate_at) AS estimate,
        argMax(r.place, r.place_at) AS place,
        argMax(r.sure, r.sure_at) AS sure,
        argMax(r.area, r.area_at) AS area,
        argMax(r.reach, r.reach_at) AS reach,
        argMax(r.household, r.household_at) AS household,
        argMax(r.household_id, r.household_id_at) AS household_id,
        argMax(r.dwelling, r.dwelling_at) AS dwelling,
        argMax(r.tier, r.tier_at) AS tier,
        min(r.first_order) AS first_order,
        max(r.band) AS band,
        max(r.known_at) AS known_at
    FROM
    (
        WITH
            dictGetOrDefault('parcours.identity_map_dict', ('canonical', 'version', 'shared'), (a.workspace, a.anchor), (a.customer_id, toUInt64(0), false)) AS known,
            ifNull(arrayFirstOrNull(n -> NOT dictGetOrDefault('parcours.identity_map_dict', 'shared', (a.workspace, n), false), a.others), a.anchor) AS stand_in,
            dictGetOrDefault('parcours.identity_changes_dict', 'canonical', (a.workspace, stand_in), toUUID('00000000-0000-0000-0000-000000000000')) AS moved
        SELECT
            a.* EXCEPT (customer_id),
            multiIf(known.3 AND moved != toUUID('00000000-0000-0000-0000-000000000000'), moved, known.3, stand_in, known.2 > a.iv, known.1, a.customer_id) AS customer_id
        FROM
        (
            WITH
                bitShiftLeft(toUInt128(toUnixTimestamp64Milli(e.occurred_at)), 64) + reinterpretAsUInt64(e.event_id) AS position,
                toString(if(e.profile_age_band != '', e.profile_age_band, e.customer_age_band)) AS age_text,
                toString(if(e.profile_gender != '', e.profile_gender, e.customer_gender)) AS sex_text,
                -- What a statement refuses is forgotten: the event that carries the refusal says that nothing is known.
                has(e.enrichments.reason, 'consent_denied') AND arrayExists((n, r) -> r = 'consent_denied' AND n IN ('customer', 'person', 'place'), e.enrichments.name, e.enrichments.reason) AS untold,
                has(e.enrichments.reason, 'consent_denied') AND arrayExists((n, r) -> r = 'consent_denied' AND n IN ('area', 'first_name'), e.enrichments.name, e.enrichments.reason) AS unprofiled,
                age_text != '' OR untold AS says_age,
                sex_text != '' OR untold AS says_sex,
                e.first_name_gender != '' OR unprofiled AS says_name,
                e.home_basis != '' OR untold AS says_place,
                e.home_confidence IS NOT NULL OR untold AS says_sure,
                e.area_status != '' OR unprofiled AS says_area,
                e.profile_contactability IS NOT NULL OR untold AS says_reach,
                e.profile_household != '' OR untold AS says_household,
                e.profile_household_id != '' OR untold AS says_household_id,
                e.profile_dwelling != '' OR untold AS says_dwelling,
                e.customer_loyalty_tier != '' OR untold AS says_tier,
                age_text != '' OR sex_text != '' OR e.first_name_gender != '' OR e.home_basis != '' OR e.area_status != '' OR e.profile_contactability IS NOT NULL OR e.profile_household != ''
                    OR e.profile_household_id != '' OR e.profile_dwelling != '' OR e.customer_loyalty_tier != '' OR e.customer_first_order_date IS NOT NULL OR e.customer_orders_band != '' AS tells
            SELECT
                e.workspace AS workspace,
                e.anchor AS anchor,
                -- Only an event of a shared anchor belongs to what stands beside it.
                if(dictGetOrDefault('parcours.identity_map_dict', 'shared', (e.workspace, e.anchor), false), e.stand_ins, []) AS others,
                argMax(e.customer_id, e.iv) AS customer_id,
                max(e.iv) AS iv,
                maxIf(position, says_age) AS age_at,
                argMaxIf(tuple(age_text), position, says_age) AS age,
                maxIf(position, says_sex) AS sex_at,
                argMaxIf(tuple(sex_text), position, says_sex) AS sex,
                maxIf(position, says_name) AS estimate_at,
                argMaxIf((e.first_name_female_probability, toString(e.first_name_gender), toString(e.first_name_age_band), e.first_name_age_band_probability), position, says_name) AS estimate,
                maxIf(position, says_place) AS place_at,
                argMaxIf((toString(e.home_country), toString(e.home_postal_code), toString(e.home_commune_code), toString(e.home_commune), toString(e.home_department_code), toString(e.home_department),
                    toString(e.home_region_code), toString(e.home_region), toString(e.home_density)), position, says_place) AS place,
                -- Events that know the home from before say where it is and not how surely: that stays as the last event with an address had it.
                maxIf(position, says_sure) AS sure_at,
                argMaxIf((toString(e.home_postal_code), toString(e.home_commune_code), e.home_confidence), position, says_sure) AS sure,
                maxIf(position, says_area) AS area_at,
                argMaxIf((toString(e.home_commune_code), toString(e.home_postal_code), toString(e.area_level), toString(e.area_code), toString(e.area_status), e.area_median_income, e.area_income_quintile,
                    e.area_income_decile, e.area_poverty_rate), position, says_area) AS area,
                maxIf(position, says_reach) AS reach_at,
                argMaxIf(tuple(e.profile_contactability), position, says_reach) AS reach,
                maxIf(position, says_household) AS household_at,
                argMaxIf(tuple(toString(e.profile_household)), position, says_household) AS household,
                maxIf(position, says_household_id) AS household_id_at,
                argMaxIf(tuple(e.profile_household_id), position, says_household_id) AS household_id,
                maxIf(position, says_dwelling) AS dwelling_at,
                argMaxIf(tuple(toString(e.profile_dwelling)), position, says_dwelling) AS dwelling,
                maxIf(position, says_tier) AS tier_at,
                argMaxIf(tuple(toString(e.customer_loyalty_tier)), position, says_tier) AS tier,
                min(e.customer_first_order_date) AS first_order,
                max(indexOf(['0', '1', '2-3', '4-9', '10+'], toString(e.customer_orders_band))) AS band,
                maxIf(e.occurred_at, tells) AS known_at
            FROM parcours.events AS e
            WHERE tells OR untold OR unprofiled
            GROUP BY workspace, anchor, others
        ) AS a
        -- What shows nothing but shared identifiers is nobody.
        WHERE NOT (known.3 AND stand_in = a.anchor)
    ) AS r
    GROUP BY workspace, customer_id
    -- Who only ever refused is nobody of whom anything is known.
    HAVING known_at > toDateTime64(0, 3, 'UTC')
) AS c
LEFT JOIN
(
    SELECT s.workspace AS workspace, s.customer_id AS customer_id, count() AS orders, min(s.local_date) AS first_order
    FROM parcours.orders AS s
    WHERE s.status != 'cancelled' AND NOT s.shared AND NOT (s.total = 0 AND s.refunded_total > 0)
    GROUP BY workspace, customer_id
) AS o ON o.workspace = c.workspace AND o.customer_id = c.customer_id
COMMENT 'One row per customer of whom a home, an age, a gender, a household, a tier or orders are known or estimated: what the last events said, by the customer of now, without what a later refusal of consent forbids. Refreshed every 15 minutes.';
