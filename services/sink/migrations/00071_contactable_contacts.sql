-- How to reach the customers who agreed to it. It reads contacts with the rights of the user who runs the migrations: its readers have
-- none of their own, so it must never answer for anybody who did not agree.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.contactable_contacts
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    customer_id  UUID COMMENT 'Customer of now.',
    ways         Array(String) COMMENT 'Ways of contact that the customer granted last, sorted: email, phone, post, sms. Never empty: who granted none, or said nothing, is not here.',
    user_id      String COMMENT 'The customer\'s own reference at the retailer; empty when unknown.',
    loyalty_card String COMMENT 'Loyalty card number; empty when unknown.',
    civility     String COMMENT 'Form of address as sent; empty when unknown.',
    first_name   String COMMENT 'First name; empty when unknown.',
    last_name    String COMMENT 'Last name in use; empty when unknown.',
    full_name    String COMMENT 'Whole name as one sender had it; empty when unknown.',
    email        String COMMENT 'E-mail address; empty when unknown or email is not granted.',
    phone        String COMMENT 'Telephone number; empty when unknown or neither phone nor sms is granted.',
    street       String COMMENT 'Street line; empty when unknown or post is not granted, as are the next four.',
    postal_code  String COMMENT 'Postcode.',
    city         String COMMENT 'Town.',
    region       String COMMENT 'State or region.',
    country      String COMMENT 'Country as sent.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS SELECT
    g.workspace AS workspace,
    g.customer_id AS customer_id,
    c.ways AS ways,
    g.user_id AS user_id,
    g.loyalty_card AS loyalty_card,
    g.civility AS civility,
    g.first_name AS first_name,
    g.last_name AS last_name,
    g.full_name AS full_name,
    if(has(c.ways, 'email'), g.email, '') AS email,
    if(hasAny(c.ways, ['phone', 'sms']), g.phone, '') AS phone,
    if(has(c.ways, 'post'), g.street, '') AS street,
    if(has(c.ways, 'post'), g.postal_code, '') AS postal_code,
    if(has(c.ways, 'post'), g.city, '') AS city,
    if(has(c.ways, 'post'), g.region, '') AS region,
    if(has(c.ways, 'post'), g.country, '') AS country
FROM parcours.golden_contacts AS g
INNER JOIN
(
    SELECT l.workspace AS workspace, l.customer_id AS customer_id, arraySort(groupArrayIf(l.way, l.granted)) AS ways
    FROM
    (
        SELECT s.workspace AS workspace, s.customer_id AS customer_id, toString(s.way) AS way, argMax(s.granted, s.position) AS granted
        FROM parcours.contact_choices AS s
        GROUP BY workspace, customer_id, way
    ) AS l
    GROUP BY workspace, customer_id
    HAVING notEmpty(ways)
) AS c ON c.workspace = g.workspace AND c.customer_id = g.customer_id
-- A shared identifier is no person, and nobody can agree for it.
WHERE NOT dictGetOrDefault('parcours.identity_map_dict', 'shared', (g.workspace, g.customer_id), false)
COMMENT 'Clear contact values of the customers who agreed to be contacted, each value only for the ways that were granted. The last statement holds: who takes an agreement back is gone with it. Silence is no agreement.';
