-- Reads everything but clear values. Every table and view of the database is granted here or named as withheld.

-- withheld parcours.contacts: clear contact values.
-- withheld parcours.customer_contacts: clear contact values.
-- withheld parcours.golden_contacts: clear contact values; contact_facts says what is known without showing it.
-- withheld parcours.contactable_contacts: clear contact values, for marketing.
-- withheld parcours.identity_pruned: rows that parcours squash is taking away.
-- withheld parcours.goose_db_version: the migrations' own.
-- withheld parcours.migration_locks: the migrations' own.
-- withheld parcours.identifier_sightings_mv: feeds identifier_sightings and holds nothing.

CREATE ROLE IF NOT EXISTS analyst;
GRANT
    SELECT ON parcours.events,
    SELECT ON parcours.traits,
    -- Attributes of providers are seen as traits are: they hold no contact values, and each has its purpose and licence beside it.
    SELECT ON parcours.attributes,
    SELECT ON parcours.identity_map,
    SELECT ON parcours.identity_map_dict,
    SELECT ON parcours.identity_changes,
    SELECT ON parcours.identity_changes_dict,
    SELECT ON parcours.identity_audit,
    SELECT ON parcours.identifier_sightings,
    SELECT ON parcours.source_priorities,
    SELECT ON parcours.source_rules,
    -- All columns but payload and origin_key, which hold what was sent.
    SELECT(rejection_id, rejected_at, received_at, workspace, source, stage, reason, field, detail, message_id, type, name, content_type,
        origin_topic, origin_partition, origin_offset, replay_state, replayed_at,
        _topic, _partition, _offset, _schema_id, _produced_at, _ingested_at) ON parcours.rejected_events,
    -- The views resolve the customer of now through the dictionaries.
    dictGet ON parcours.identity_map_dict,
    dictGet ON parcours.identity_changes_dict,
    SELECT ON parcours.abandoned_carts,
    SELECT ON parcours.basket_pairs,
    SELECT ON parcours.campaign_performance,
    SELECT ON parcours.channel_mix,
    SELECT ON parcours.contact_choices,
    SELECT ON parcours.contact_facts,
    SELECT ON parcours.customer_attributes,
    SELECT ON parcours.customer_events,
    SELECT ON parcours.customer_profiles,
    SELECT ON parcours.customer_rfm,
    SELECT ON parcours.customer_traits,
    SELECT ON parcours.customers,
    SELECT ON parcours.data_quality,
    SELECT ON parcours.enrichment_outcomes,
    SELECT ON parcours.feedback_scores,
    SELECT ON parcours.first_last_touch,
    SELECT ON parcours.id_graph_updates,
    SELECT ON parcours.identifiers,
    SELECT ON parcours.order_events,
    SELECT ON parcours.order_items,
    SELECT ON parcours.orders,
    SELECT ON parcours.outliers,
    SELECT ON parcours.pipeline_health,
    SELECT ON parcours.profile_channel_mix,
    SELECT ON parcours.purchases,
    SELECT ON parcours.refreshes,
    SELECT ON parcours.retention_cohorts,
    SELECT ON parcours.sessions,
    SELECT ON parcours.store_web_overlap,
    -- What refreshes is made of, beside system tables that everybody may read.
    SELECT ON system.view_refreshes
TO analyst WITH REPLACE OPTION;
