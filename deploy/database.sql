-- Run once by the image of PostgreSQL, as superuser, when the volume is new.
--
-- The application's role owns its database and is no superuser: it cannot switch triggers off with
-- session_replication_role, read files of the server, or enter another database.
\getenv password POSTGRES_PASSWORD
CREATE ROLE tenantry LOGIN PASSWORD :'password';
ALTER DATABASE tenantry OWNER TO tenantry;
REVOKE CONNECT, TEMPORARY ON DATABASE tenantry, postgres, template1 FROM PUBLIC;

-- The image gave this password to the superuser too. Without one nobody becomes superuser over the
-- network; `docker compose exec database psql -U postgres` needs none.
ALTER ROLE postgres PASSWORD NULL;
