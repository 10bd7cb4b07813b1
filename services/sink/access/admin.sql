-- Everything in the database, for migrations, repairs and whoever answers for the data.

CREATE ROLE IF NOT EXISTS admin;
GRANT
    ALL ON parcours.*,
    SYSTEM RELOAD DICTIONARY ON *.*,
    SELECT ON system.*
TO admin WITH GRANT OPTION WITH REPLACE OPTION;
