-- What parcours sink and parcours squash need on a database that is up to date, and no more: no clear value can be read
-- back. Migrations are for admin.

CREATE ROLE IF NOT EXISTS writer;
GRANT
    INSERT ON parcours.events,
    INSERT ON parcours.contacts,
    INSERT ON parcours.traits,
    INSERT ON parcours.rejected_events,
    INSERT ON parcours.identity_map,
    INSERT ON parcours.identity_changes,
    INSERT ON parcours.identity_audit,
    SELECT ON parcours.source_priorities,
    INSERT ON parcours.source_priorities,
    -- Which rows of a range are there already.
    SELECT(_topic, _partition, _offset, _produced_at) ON parcours.events,
    SELECT(_topic, _partition, _offset, _produced_at) ON parcours.rejected_events,
    -- The dictionaries are made anew with the sink's account, and read.
    SELECT ON parcours.identity_map,
    SELECT ON parcours.identity_changes,
    dictGet ON parcours.identity_map_dict,
    dictGet ON parcours.identity_changes_dict,
    CREATE DICTIONARY ON parcours.identity_map_dict,
    CREATE DICTIONARY ON parcours.identity_changes_dict,
    DROP DICTIONARY ON parcours.identity_map_dict,
    DROP DICTIONARY ON parcours.identity_changes_dict,
    SYSTEM RELOAD DICTIONARY ON *.*,
    -- Squash moves the customer that rows name, and takes rows out of the map.
    SELECT(workspace, anchor, customer_id, iv) ON parcours.events,
    SELECT(workspace, anchor, customer_id, iv) ON parcours.contacts,
    SELECT(workspace, anchor, customer_id, iv) ON parcours.traits,
    ALTER UPDATE(customer_id, iv) ON parcours.events,
    ALTER UPDATE(customer_id, iv) ON parcours.contacts,
    ALTER UPDATE(customer_id, iv) ON parcours.traits,
    SELECT ON parcours.identity_pruned,
    INSERT ON parcours.identity_pruned,
    TRUNCATE ON parcours.identity_pruned,
    ALTER DELETE ON parcours.identity_map,
    -- Erasure takes away what hangs on erased nodes.
    SELECT(stand_ins) ON parcours.contacts,
    SELECT(stand_ins) ON parcours.traits,
    SELECT(workspace, kind, node, other_node) ON parcours.identity_audit,
    ALTER DELETE ON parcours.contacts,
    ALTER DELETE ON parcours.traits,
    ALTER DELETE ON parcours.identity_audit,
    ALTER DELETE ON parcours.identity_changes,
    -- The retention policy.
    ALTER TTL ON parcours.events,
    ALTER MATERIALIZE TTL ON parcours.events,
    ALTER TTL ON parcours.contacts,
    ALTER MATERIALIZE TTL ON parcours.contacts,
    ALTER TTL ON parcours.traits,
    ALTER MATERIALIZE TTL ON parcours.traits,
    ALTER TTL ON parcours.rejected_events,
    ALTER MATERIALIZE TTL ON parcours.rejected_events,
    ALTER TTL ON parcours.identity_audit,
    ALTER MATERIALIZE TTL ON parcours.identity_audit,
    ALTER TTL ON parcours.identifier_sightings,
    ALTER MATERIALIZE TTL ON parcours.identifier_sightings,
    -- Whether the database is up to date, and its settings as wanted.
    SELECT ON parcours.goose_db_version,
    SELECT ON system.settings,
    SELECT ON system.tables,
    SELECT ON system.columns,
    SELECT ON system.parts,
    SELECT ON system.dictionaries
TO writer WITH REPLACE OPTION;
