-- Who may do what. PUBLIC gets nothing, inu_reader reads everything, and a writer
-- gets from grant_writer() what the sink needs and no more.

-- Roles belong to the cluster: another database of it may have made inu_reader, or
-- be making it right now.
do $$
begin
    if to_regrole('inu_reader') is null then
        create role inu_reader nologin;
    end if;
exception when duplicate_object or unique_violation then
    null;
end
$$;

revoke all on public.groups, public.events, public.cloudtrail, public.events_default, public.cloudtrail_default,
    public.ledger, public.quarantine, public.variants, public.records from public;
revoke all on function public.schema_version(), public.month_exists(timestamp), public.create_month(timestamp),
    public.ensure_months(timestamp[]), public.ledger_done(uuid, text, text, text, text[]),
    public.record_variants(uuid[], timestamp[], text[], jsonb[], boolean[], bytea[]) from public;

grant select on public.groups, public.events, public.cloudtrail, public.ledger, public.quarantine, public.variants, public.records
    to inu_reader;
grant execute on function public.schema_version() to inu_reader;

-- grant_writer gives a role what the rds_direct sink needs. It runs with the
-- caller's rights: only the owner of the tables can use it. SELECT on events.id is
-- what INSERT … RETURNING id asks for; ON CONFLICT DO NOTHING without a target asks
-- for nothing. The variants are written by record_variants() alone.
create function public.grant_writer(writer name) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('grant insert on public.events, public.cloudtrail, public.ledger, public.quarantine to %I', writer);
    execute format('grant select (id) on public.events to %I', writer);
    execute format('grant execute on function public.schema_version(), public.ensure_months(timestamp[]), '
        'public.ledger_done(uuid, text, text, text, text[]), '
        'public.record_variants(uuid[], timestamp[], text[], jsonb[], boolean[], bytea[]) to %I', writer);
end
$$;

revoke all on function public.grant_writer(name) from public;
