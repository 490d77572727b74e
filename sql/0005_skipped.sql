-- What an insert or a listing skips must be there.

-- A split that was gone when it was to be read may be there again: a file system that was
-- away, an object that was put back. The listing says so, and then it is read.

-- The sink may only insert, so that the reading is an entry beside the one of the gap.
alter table public.ledger
    drop constraint ledger_pkey,
    add constraint ledger_pkey primary key (group_id, pipeline, source, split, filter, status);

comment on column public.ledger.status is
    'stored; invalid: in quarantine as a whole; gone: it was not there to be read, and is read if it is ever listed again.';

create or replace function public.ledger_done(group_id uuid, pipeline text, source text, filter text, splits text[]) returns smallint[]
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select coalesce(array_agg(coalesce(entry.state, 0)::smallint order by asked.position), '{}')
    from unnest($5) with ordinality as asked (split, position)
    left join lateral (
        select case when bool_or(l.filtered = 0 or l.filter = $4) then 1 else 2 end as state
        from public.ledger l
        where l.group_id = $1 and l.pipeline = $2 and l.source = $3 and l.split = asked.split and l.status <> 'gone'
        having count(*) > 0
    ) as entry on true
$$;

-- The insert skips a row whose id is there, and so it would one that a trigger, a rule or
-- another unique index takes away. -1 says that the latter happened: an event that was
-- skipped is not in events.
create or replace function public.record_variants(
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
    select case when exists (
        select from unnest($1, $2) as g (id, event_time)
        where not exists (select from public.events e where e.id = g.id and e.event_time = g.event_time)
    ) then -1 else (select count(*) from kept) end
$$;
