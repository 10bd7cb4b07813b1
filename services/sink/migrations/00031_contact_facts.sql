-- What is known of a customer's contacts, without any of their values, for readers who may not see contacts. It reads contacts with the
-- rights of the user who runs the migrations, so it must never answer anything but counts and flags. All other views run with the reader's rights.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.contact_facts
(
    workspace       LowCardinality(String) COMMENT 'Tenant.',
    customer_id     UUID COMMENT 'Customer of now.',
    has_email       Bool COMMENT 'Whether an e-mail address is known.',
    has_phone       Bool COMMENT 'Whether a telephone number is known.',
    has_name        Bool COMMENT 'Whether first and last name are known, or the whole name.',
    has_address     Bool COMMENT 'Whether street, postcode and town are known, of one statement.',
    has_birth_date  Bool COMMENT 'Whether the date of birth is known.',
    email_valid     Bool COMMENT 'Whether the golden e-mail address has the form of one: something, @, a domain with a dot.',
    phone_valid     Bool COMMENT 'Whether the golden telephone number has 9 to 15 digits and nothing but digits, spaces and + . - / ( ).',
    mobile          Bool COMMENT 'Whether it is valid and may take a text message: a French number that starts with 06 or 07, or a number with another country\'s prefix.',
    completeness    Float64 COMMENT 'Share, 0 to 1, of these eight that are known: e-mail, telephone, first name, last name, date of birth, street, postcode, town. A whole name stands for first and last.'
)
DEFINER = CURRENT_USER SQL SECURITY DEFINER
AS WITH
    replaceRegexpAll(g.phone, '[^0-9]', '') AS digits,
    replaceRegexpOne(replaceRegexpAll(g.phone, '[^0-9+]', ''), '^(\\+33|0033)0?', '0') AS national
SELECT
    g.workspace AS workspace,
    g.customer_id AS customer_id,
    CAST(g.email != '', 'Bool') AS has_email,
    CAST(g.phone != '', 'Bool') AS has_phone,
    CAST(g.full_name != '' OR (g.first_name != '' AND g.last_name != ''), 'Bool') AS has_name,
    CAST(g.street != '' AND g.postal_code != '' AND g.city != '', 'Bool') AS has_address,
    CAST(g.birth_date IS NOT NULL, 'Bool') AS has_birth_date,
    CAST(match(trimBoth(g.email), '^[^@\\s]+@[^@\\s]+\\.[^@\\s.]+$'), 'Bool') AS email_valid,
    CAST(match(g.phone, '^[0-9 +./()\\-]+$') AND length(digits) BETWEEN 9 AND 15, 'Bool') AS phone_valid,
    CAST(phone_valid AND (national LIKE '06%' OR national LIKE '07%' OR (national LIKE '+%' OR national LIKE '00%')), 'Bool') AS mobile,
    ((g.email != '') + (g.phone != '') + (g.first_name != '' OR g.full_name != '') + (g.last_name != '' OR g.full_name != '')
        + (g.birth_date IS NOT NULL) + (g.street != '') + (g.postal_code != '') + (g.city != '')) / 8 AS completeness
FROM parcours.golden_contacts AS g
COMMENT 'What is known of how to reach a customer, one row per customer that stated any contact value; no value is shown. customers has it too.';
