-- An analyst who also sees how to reach the customers who agreed to it: in contactable_contacts, and nowhere else.

CREATE ROLE IF NOT EXISTS marketing;
GRANT SELECT ON parcours.contactable_contacts TO marketing WITH REPLACE OPTION;
GRANT analyst TO marketing;
