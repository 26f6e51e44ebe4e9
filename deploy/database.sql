-- Run once by the image of PostgreSQL, as superuser, when the volume is new.
--
-- Two roles. The owner makes, migrates and drops schemas: migrations and workers connect as it. The
-- application's own role reads and writes rows, and nothing else. Neither is a superuser: they cannot
-- switch triggers off with session_replication_role, read files of the server, or enter another
-- database.
\getenv password POSTGRES_PASSWORD
\getenv owner_password POSTGRES_OWNER_PASSWORD
CREATE ROLE tenantry_owner LOGIN PASSWORD :'owner_password';
CREATE ROLE tenantry LOGIN PASSWORD :'password';
ALTER DATABASE tenantry OWNER TO tenantry_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE tenantry, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE tenantry TO tenantry;

-- The image gave this password to the superuser too. Without one nobody becomes superuser over the
-- network; `docker compose exec database psql -U postgres` needs none.
ALTER ROLE postgres PASSWORD NULL;
