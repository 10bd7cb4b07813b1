-- The clear values of each customer, one of each field. It runs with the rights of who asks: without contacts there is nothing to see.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.golden_contacts
(
    workspace    LowCardinality(String) COMMENT 'Tenant.',
    customer_id  UUID COMMENT 'Customer of now.',
    user_id      String COMMENT 'The customer\'s own reference at the retailer; empty when unknown.',
    loyalty_card String COMMENT 'Loyalty card number; empty when unknown.',
    email        String COMMENT 'E-mail address as typed; empty when unknown.',
    phone        String COMMENT 'Telephone number as typed; empty when unknown.',
    civility     String COMMENT 'Form of address as sent; empty when unknown.',
    first_name   String COMMENT 'First name; empty when unknown.',
    last_name    String COMMENT 'Last name in use; empty when unknown.',
    full_name    String COMMENT 'Whole name as one sender had it; empty when unknown.',
    gender       String COMMENT 'Gender as declared; empty when unknown.',
    birth_date   Nullable(Date32) COMMENT 'Date of birth; null when unknown.',
    street       String COMMENT 'Street line; street, postal_code, city, region and country are of one statement, a whole address before a part of one. Empty when unknown.',
    postal_code  String COMMENT 'Postcode; empty when unknown.',
    city         String COMMENT 'Town; empty when unknown.',
    region       String COMMENT 'State or region; empty when unknown.',
    country      String COMMENT 'Country as sent; empty when unknown.',
    company      String COMMENT 'Employer or company; empty when unknown.',
    title        String COMMENT 'Job title; empty when unknown.',
    stated_at    DateTime64(3, 'UTC') COMMENT 'When any of it was last stated.'
)
AS WITH
    -- How much the source is believed for a field; a value that is no longer fresh is worth no more than one of a source without a row.
    (field -> if(mapContains(p.rules, field), p.rules[field], p.rules['*'])) AS rule,
    (r -> if(r.2 > 0 AND e.occurred_at < now() - toIntervalDay(r.2), least(r.1, 0), r.1)) AS worth
SELECT
    e.workspace AS workspace,
    e.customer_id AS customer_id,
    argMaxIf(e.user_id, (worth(rule('user_id')), e.version), e.user_id != '') AS user_id,
    argMaxIf(e.loyalty_card, (worth(rule('loyalty_card')), e.version), e.loyalty_card != '') AS loyalty_card,
    argMaxIf(e.email, (worth(rule('email')), e.version), e.email != '') AS email,
    argMaxIf(e.phone, (worth(rule('phone')), e.version), e.phone != '') AS phone,
    argMaxIf(toString(e.civility), (worth(rule('civility')), e.version), e.civility != '') AS civility,
    argMaxIf(e.first_name, (worth(rule('first_name')), e.version), e.first_name != '') AS first_name,
    argMaxIf(e.last_name, (worth(rule('last_name')), e.version), e.last_name != '') AS last_name,
    argMaxIf(e.full_name, (worth(rule('full_name')), e.version), e.full_name != '') AS full_name,
    argMaxIf(toString(e.gender), (worth(rule('gender')), e.version), e.gender != '') AS gender,
    argMaxIf(e.birth_date, (worth(rule('birth_date')), e.version), e.birth_date IS NOT NULL) AS birth_date,
    argMaxIf((e.street, e.postal_code, e.city, e.region, toString(e.country)),
        (e.street != '' AND e.postal_code != '' AND e.city != '', worth(rule('address')), e.version),
        e.street != '' OR e.postal_code != '' OR e.city != '' OR e.region != '' OR e.country != '') AS address,
    address.1 AS street,
    address.2 AS postal_code,
    address.3 AS city,
    address.4 AS region,
    address.5 AS country,
    argMaxIf(e.company, (worth(rule('company')), e.version), e.company != '') AS company,
    argMaxIf(e.title, (worth(rule('title')), e.version), e.title != '') AS title,
    max(e.occurred_at) AS stated_at
FROM parcours.customer_contacts AS e
LEFT JOIN parcours.source_rules AS p ON p.workspace = e.workspace AND p.source = e.source
GROUP BY workspace, customer_id
COMMENT 'The golden record of clear values, one row per customer that stated any: of each field the value of the source that is believed most (source_priorities), then the newest. As restricted as contacts.';
