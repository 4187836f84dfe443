-- The product's two logins and its database; run once by a superuser (deploy/README.md):
--   FSM_OWNER_PASSWORD=… FSM_APP_PASSWORD=… psql -f deploy/roles.sql
-- Harmless when run again: it then only sets the passwords.
\set ON_ERROR_STOP on
\getenv owner_password FSM_OWNER_PASSWORD
\getenv app_password FSM_APP_PASSWORD

-- fsm_owner owns the tables and runs migrations. fsm_app is what the program logs in as: it owns
-- nothing, so that row-level security holds for it.
select 'create role fsm_owner' where not exists (select from pg_roles where rolname = 'fsm_owner') \gexec
select 'create role fsm_app' where not exists (select from pg_roles where rolname = 'fsm_app') \gexec
alter role fsm_owner login nosuperuser nobypassrls nocreatedb nocreaterole password :'owner_password';
alter role fsm_app login nosuperuser nobypassrls nocreatedb nocreaterole password :'app_password';

select 'create database fsm owner fsm_owner encoding ''UTF8'' template template0'
 where not exists (select from pg_database where datname = 'fsm') \gexec
