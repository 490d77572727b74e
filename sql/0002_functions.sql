-- What the writer may do beyond INSERT, as functions that run with the owner's
-- rights. Each pins an empty-handed search_path and qualifies every name, so that
-- nothing a caller creates can be run in the owner's name.

-- schema_version answers the number of the last applied migration.
create function public.schema_version() returns integer
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select version from public.inu_logsmith_version
$$;

-- month_exists says whether both partitions of the month are attached.
create function public.month_exists(month timestamp) returns boolean
language sql stable
set search_path = pg_catalog, pg_temp
as $$
    select count(*) = 2
    from pg_inherits
    where (inhparent, inhrelid) in (
        ('public.events'::regclass, to_regclass('public.events_' || to_char(month, 'YYYY_MM'))),
        ('public.cloudtrail'::regclass, to_regclass('public.cloudtrail_' || to_char(month, 'YYYY_MM'))))
$$;

-- create_month makes the two partitions of the month, its foreign key and its
-- indexes. Rows of the month that the default partitions took while it was still
-- too far ahead are moved over: with a single one left there, PostgreSQL would
-- refuse the partition.
create function public.create_month(month timestamp) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    suffix constant text := to_char(month, 'YYYY_MM');
    next_month constant timestamp := month + interval '1 month';
    parent text;
    columns text;
begin
    perform pg_advisory_xact_lock(7309460932144096371); -- any number will do; one creator at a time
    if public.month_exists(month) then
        return;
    end if;

    -- Attaching a partition locks the default one anyway. Taking both locks first,
    -- in the order in which writers take them, keeps rows from slipping in.
    lock table public.events_default, public.cloudtrail_default in access exclusive mode;

    -- LIKE and ATTACH instead of PARTITION OF, which would lock the parent against
    -- every reader and writer.
    foreach parent in array array['events', 'cloudtrail'] loop
        select string_agg(quote_ident(attname), ', ') into columns
        from pg_attribute
        where attrelid = to_regclass('public.' || parent)
          and attnum > 0 and not attisdropped and attgenerated = '';

        execute format('create table public.%1$s_%2$s (like public.%1$s including all excluding comments)', parent, suffix);
        execute format('insert into public.%1$s_%2$s (%3$s) select %3$s from public.%1$s_default where event_time >= %4$L and event_time < %5$L',
            parent, suffix, columns, month, next_month);
    end loop;
    execute format('alter table public.cloudtrail_%1$s add constraint cloudtrail_event_fkey foreign key (event_id, event_time) references public.events_%1$s (id, event_time)', suffix);

    delete from public.cloudtrail_default where event_time >= month and event_time < next_month;
    delete from public.events_default where event_time >= month and event_time < next_month;
    foreach parent in array array['events', 'cloudtrail'] loop
        execute format('alter table public.%1$s attach partition public.%1$s_%2$s for values from (%3$L) to (%4$L)',
            parent, suffix, month, next_month);
    end loop;
end
$$;

-- ensure_months makes the partitions for events of the given times, in UTC. Times
-- from before 2013-11 and of months more than three ahead belong to the default
-- partitions; null is ignored. Call it in a transaction of its own, before that of
-- the events: it locks the default partitions when there is a month to make.
-- It is safe to be called by many at once, and gives up with 55P03 when a long
-- query keeps it waiting.
create function public.ensure_months(times timestamp[]) returns void
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set lock_timeout = '5s'
as $$
declare
    month timestamp;
begin
    for month in
        select distinct date_trunc('month', t)
        from unnest(times) as t
        where t >= timestamp '2013-11-01'
          and t < date_trunc('month', now() at time zone 'UTC') + interval '4 months'
        order by 1
    loop
        if not public.month_exists(month) then
            perform public.create_month(month);
        end if;
    end loop;
end
$$;

-- ledger_done answers for each of the splits, in order: 0 for one without an
-- entry, 1 for one that is done under this filter, 2 for one that was read under
-- another filter which left events out.
create function public.ledger_done(group_id uuid, pipeline text, source text, filter text, splits text[]) returns smallint[]
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(coalesce(entry.state, 0)::smallint order by asked.position), '{}')
    from unnest($5) with ordinality as asked (split, position)
    left join lateral (
        select case when bool_or(l.filtered = 0 or l.filter = $4) then 1 else 2 end as state
        from public.ledger l
        where l.group_id = $1 and l.pipeline = $2 and l.source = $3 and l.split = asked.split
        having count(*) > 0
    ) as entry on true
$$;

-- records gives each record back: as jsonb equal to what AWS wrote, unless
-- sanitized says that jsonb cannot hold it; then raw has its bytes.
create view public.records as
select c.event_id as id, c.event_time, e.group_id, e.source_product, c.origin, c.sanitized, c.raw,
       fields.record || coalesce(c.additional, '{}') as record
from public.cloudtrail c
join public.events e on e.id = c.event_id and e.event_time = c.event_time
cross join lateral (
    select coalesce(jsonb_object_agg(f.name, f.value), '{}') as record
    from (values
        ('eventVersion', to_jsonb(c.event_version)),
        ('eventTime', to_jsonb(to_char(case when c.has_event_time then c.event_time end, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))),
        ('eventSource', to_jsonb(c.event_source)),
        ('eventName', to_jsonb(c.event_name)),
        ('eventCategory', to_jsonb(c.event_category)),
        ('eventType', to_jsonb(c.event_type)),
        ('awsRegion', to_jsonb(c.aws_region)),
        ('readOnly', to_jsonb(c.read_only)),
        ('managementEvent', to_jsonb(c.management_event)),
        ('requestID', to_jsonb(c.request_id)),
        ('eventID', to_jsonb(c.cloudtrail_event_id)),
        ('sharedEventID', to_jsonb(c.shared_event_id)),
        ('recipientAccountId', to_jsonb(c.recipient_account_id)),
        ('sourceIPAddress', to_jsonb(c.source_ip_address)),
        ('userAgent', to_jsonb(c.user_agent)),
        ('errorCode', to_jsonb(c.error_code)),
        ('errorMessage', to_jsonb(c.error_message)),
        ('apiVersion', to_jsonb(c.api_version)),
        ('vpcEndpointId', to_jsonb(c.vpc_endpoint_id)),
        ('vpcEndpointAccountId', to_jsonb(c.vpc_endpoint_account_id)),
        ('sessionCredentialFromConsole', to_jsonb(c.session_credential_from_console)),
        ('userIdentity', c.user_identity),
        ('requestParameters', c.request_parameters),
        ('responseElements', c.response_elements),
        ('additionalEventData', c.additional_event_data),
        ('serviceEventDetails', c.service_event_details),
        ('resources', c.resources),
        ('tlsDetails', c.tls_details),
        ('insightDetails', c.insight_details),
        ('addendum', c.addendum),
        ('edgeDeviceDetails', c.edge_device_details),
        ('eventContext', c.event_context)
    ) as f (name, value)
    where f.value is not null
) as fields;

comment on view public.records is
    'Each CloudTrail record as AWS wrote it, as jsonb; where sanitized is true, raw has its exact bytes.';

-- record_variants compares records whose id was found stored with what is stored,
-- and keeps those that differ. It answers how many it had not kept before: none,
-- unless somebody reuses an eventID. The arrays run in parallel; record is the text
-- as it would be stored, and sanitized says that raw is needed to tell it apart.
-- lookupEvents is not CloudTrail's: the source cloudtrail_api keeps there what only
-- that API tells of an event, which may come from S3 as well.
create function public.record_variants(
    ids uuid[], event_times timestamp[], origins text[], records jsonb[], sanitized boolean[], raws bytea[]
) returns bigint
language sql security definer
set search_path = pg_catalog, pg_temp
as $$
    with differing as (
        select g.id, g.event_time, sha256(g.raw) as content, g.origin, g.raw
        from unnest($1, $2, $3, $4, $5, $6) as g (id, event_time, origin, record, sanitized, raw)
        join public.records r on r.id = g.id and r.event_time = g.event_time
        where r.record - 'lookupEvents' <> g.record - 'lookupEvents'
           or r.raw is distinct from case when g.sanitized then g.raw end
    ), kept as (
        insert into public.variants (id, event_time, content, origin, raw)
        select id, event_time, content, origin, raw from differing order by id, event_time, content
        on conflict do nothing
        returning 1
    )
    select count(*) from kept
$$;

select public.ensure_months(array[now() at time zone 'UTC', now() at time zone 'UTC' + interval '1 month']);
