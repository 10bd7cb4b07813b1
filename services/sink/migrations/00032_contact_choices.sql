-- Who may be contacted how, as the customer said. A cookie banner refuses what it names: e-mail only when it names it, or everything.

-- +goose NO TRANSACTION
-- +goose Up
CREATE OR REPLACE VIEW parcours.contact_choices
(
    workspace   LowCardinality(String) COMMENT 'Tenant.',
    customer_id UUID COMMENT 'Customer of now.',
    way         LowCardinality(String) COMMENT 'Way of contact: email, phone, post or sms.',
    granted     Bool COMMENT 'Whether it was granted; a statement that both grants and refuses refuses.',
    stated_by   LowCardinality(String) COMMENT 'What said so: consent, trait or event.',
    source      LowCardinality(String) COMMENT 'Emitter.',
    occurred_at DateTime64(3, 'UTC') COMMENT 'When it was said.',
    position    UInt128 COMMENT 'Order of the statements: time, then identity of the event. The last of a way holds.'
)
AS WITH
    -- Purposes as consent tools name them, in small letters, with _ for a space and a hyphen.
    map(
        'email', ['email', 'e_mail', 'email_marketing', 'marketing_email', 'newsletter', 'marketing', 'direct_marketing'],
        'phone', ['phone', 'telephone', 'call', 'calls', 'phone_marketing', 'marketing_phone', 'telemarketing', 'marketing', 'direct_marketing'],
        'post', ['post', 'mail', 'postal', 'direct_mail', 'postal_mail', 'post_marketing', 'marketing_post', 'marketing', 'direct_marketing'],
        'sms', ['sms', 'text', 'sms_marketing', 'marketing_sms', 'mms', 'marketing', 'direct_marketing']
    ) AS purposes
SELECT
    c.workspace AS workspace,
    c.customer_id AS customer_id,
    choice.1 AS way,
    CAST(choice.2, 'Bool') AS granted,
    'consent' AS stated_by,
    c.source AS source,
    c.occurred_at AS occurred_at,
    bitShiftLeft(toUInt128(toUnixTimestamp64Milli(c.occurred_at)), 64) + reinterpretAsUInt64(c.event_id) AS position
FROM
(
    WITH
        arrayMap(p -> replaceRegexpAll(lower(toString(p)), '[ -]', '_'), e.consent_granted) AS yes,
        arrayMap(p -> replaceRegexpAll(lower(toString(p)), '[ -]', '_'), e.consent_denied) AS no
    SELECT
        e.workspace AS workspace, e.customer_id AS customer_id, e.source AS source, e.occurred_at AS occurred_at, e.event_id AS event_id,
        arrayFilter(c -> c.3, arrayMap(w -> (w, NOT (has(no, '*') OR empty(e.consent_granted) AND empty(e.consent_denied) OR hasAny(no, purposes[w])), has(no, '*') OR empty(e.consent_granted) AND empty(e.consent_denied) OR hasAny(no, purposes[w]) OR hasAny(yes, purposes[w])), mapKeys(purposes))) AS choices
    FROM parcours.customer_events AS e
    -- Most consents are a cookie banner's and speak of nothing that is looked for here.
    WHERE e.consent_stated AND (empty(e.consent_granted) AND empty(e.consent_denied)
        OR arrayExists(p -> match(lower(toString(p)), '^[*]$|mail|news|phone|call|tele|post|sms|mms|text|marketing'), arrayConcat(e.consent_granted, e.consent_denied)))
) AS c
ARRAY JOIN c.choices AS choice
UNION ALL
SELECT
    t.workspace AS workspace,
    t.customer_id AS customer_id,
    transform(toString(t.field), ['newsletter', 'email_opt_in', 'phone_opt_in', 'post_opt_in', 'sms_opt_in'], ['email', 'email', 'phone', 'post', 'sms'], '') AS way,
    CAST(lower(t.value) IN ('true', '1', 'yes', 'oui'), 'Bool') AS granted,
    'trait' AS stated_by,
    t.source AS source,
    t.occurred_at AS occurred_at,
    bitShiftLeft(toUInt128(toUnixTimestamp64Milli(t.occurred_at)), 64) + reinterpretAsUInt64(t.event_id) AS position
FROM parcours.customer_traits AS t
WHERE t.field IN ('newsletter', 'email_opt_in', 'phone_opt_in', 'post_opt_in', 'sms_opt_in') AND lower(t.value) IN ('true', '1', 'yes', 'oui', 'false', '0', 'no', 'non')
UNION ALL
SELECT
    e.workspace AS workspace,
    e.customer_id AS customer_id,
    'email' AS way,
    CAST(e.name IN ('Newsletter Subscribed', 'Subscribed'), 'Bool') AS granted,
    'event' AS stated_by,
    e.source AS source,
    e.occurred_at AS occurred_at,
    bitShiftLeft(toUInt128(toUnixTimestamp64Milli(e.occurred_at)), 64) + reinterpretAsUInt64(e.event_id) AS position
FROM parcours.customer_events AS e
WHERE e.type = 'track' AND e.name IN ('Unsubscribed', 'Newsletter Unsubscribed', 'Email Marked as Spam', 'Newsletter Subscribed', 'Subscribed')
COMMENT 'What customers said of being contacted, one row per statement and way: consents that name the way, marketing or everything; the traits newsletter and email_, phone_, post_, sms_opt_in; subscriptions and unsubscriptions.';
