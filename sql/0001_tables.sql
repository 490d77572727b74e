-- The tables of the rds_direct sink.
--
-- All times are UTC in columns without time zone, as in the tables of
-- INU-Detector, so that no session's TimeZone changes what a query answers.
-- The one exception is events.occurred_at, which has always had a time zone.

create table public.groups (
    group_id   uuid primary key,
    group_name text not null,
    created_at timestamp not null default (now() at time zone 'UTC')
);

comment on table public.groups is
    'Owners of events. "agent migrate" adds the group of each rds_direct sink.';

-- The id is made from event time, group and dedupe key, so the same event has
-- the same id at every retry. Uniqueness rests on the primary key alone; the
-- time is part of it because PostgreSQL wants the partition key in there.
create table public.events (
    id             uuid not null,
    event_time     timestamp not null,
    group_id       uuid not null,
    source_product text,
    source_ip      inet,
    user_agent     text,
    occurred_at    timestamptz generated always as (nullif(event_time, timestamp '1970-01-01') at time zone 'UTC') stored,
    created_at     timestamp not null default (now() at time zone 'UTC'),
    constraint events_pkey primary key (id, event_time),
    constraint events_group_id_fkey foreign key (group_id) references public.groups (group_id)
) partition by range (event_time);

comment on table public.events is
    'One row for each event and group, partitioned by month of event_time.';
comment on column public.events.event_time is
    'UTC; 1970-01-01 where the record has no time that can be read.';
comment on column public.events.occurred_at is
    'event_time with its time zone; null where the record has no time that can be read.';

-- A field of the record is in its column if the column gives the same JSON back.
-- Everything else is in "additional" under its own name. The view "records" puts
-- the two together again.
create table public.cloudtrail (
    id                              uuid generated always as (event_id) stored,
    event_id                        uuid not null,
    event_time                      timestamp not null,
    has_event_time                  boolean not null default true,
    event_version                   text,
    event_source                    text,
    event_name                      text,
    event_category                  text,
    event_type                      text,
    aws_region                      text,
    read_only                       boolean,
    management_event                boolean,
    request_id                      text,
    cloudtrail_event_id             text,
    shared_event_id                 text,
    recipient_account_id            text,
    source_ip                       inet,
    source_ip_address               text,
    user_agent                      text,
    error_code                      text,
    error_message                   text,
    api_version                     text,
    vpc_endpoint_id                 text,
    vpc_endpoint_account_id         text,
    session_credential_from_console text,
    user_identity                   jsonb,
    request_parameters              jsonb,
    response_elements               jsonb,
    additional_event_data           jsonb,
    service_event_details           jsonb,
    resources                       jsonb,
    tls_details                     jsonb,
    insight_details                 jsonb,
    addendum                        jsonb,
    edge_device_details             jsonb,
    event_context                   jsonb,
    additional                      jsonb,
    origin                          text not null,
    sanitized                       boolean not null default false,
    raw                             bytea,
    created_at                      timestamp not null default (now() at time zone 'UTC'),
    constraint cloudtrail_pkey primary key (event_id, event_time),
    constraint cloudtrail_sanitized_check check (sanitized = (raw is not null))
) partition by range (event_time);

comment on table public.cloudtrail is
    'The CloudTrail record of each event, partitioned like events. The view records gives the whole record back.';
comment on column public.cloudtrail.id is
    'Same as event_id.';
comment on column public.cloudtrail.event_id is
    'events.id of this event. The eventID that AWS gave it is in cloudtrail_event_id.';
comment on column public.cloudtrail.has_event_time is
    'The record''s eventTime is event_time, in the form YYYY-MM-DDTHH:MM:SSZ. Otherwise its eventTime, if it has one, is in additional.';
comment on column public.cloudtrail.source_ip is
    'sourceIPAddress where it is an IP address; source_ip_address has the text as AWS wrote it.';
comment on column public.cloudtrail.additional is
    'Fields of the record without a column, and those whose column cannot give the same JSON back, such as explicit nulls.';
comment on column public.cloudtrail.origin is
    'The split that the event was first read from: an object version, an API window or a file.';
comment on column public.cloudtrail.sanitized is
    'The record holds what jsonb cannot, such as \u0000; the columns have a cleaned copy and raw has the bytes as AWS wrote them.';

create index cloudtrail_event_name_idx on public.cloudtrail (event_name);
create index cloudtrail_event_time_idx on public.cloudtrail (event_time);
create index cloudtrail_event_id_idx on public.cloudtrail (cloudtrail_event_id);
create index cloudtrail_user_identity_idx on public.cloudtrail using gin (user_identity jsonb_path_ops);

-- The default partitions take events of before CloudTrail existed (2013-11) and of
-- more than three months ahead. Every other month gets partitions of its own from
-- ensure_months(). The foreign key stands between the two partitions of a month:
-- between the parents it costs three times as much.
create table public.events_default partition of public.events default;
create table public.cloudtrail_default partition of public.cloudtrail default;
alter table public.cloudtrail_default add constraint cloudtrail_event_fkey
    foreign key (event_id, event_time) references public.events_default (id, event_time);

-- The ledger is the set of splits that are done, written in the transaction that
-- stores a split's last event. The filter is part of the key, so that a split is
-- recorded again when it was read again under another filter; so is the group,
-- because two groups each store the split's events.
create table public.ledger (
    group_id    uuid not null,
    pipeline    text not null,
    source      text not null,
    split       text not null,
    filter      text not null,
    split_time  timestamp,
    bytes       bigint not null default 0,
    read        bigint not null,
    stored      bigint not null,
    duplicate   bigint not null,
    filtered    bigint not null,
    quarantined bigint not null,
    status      text not null,
    reason      text,
    recorded_at timestamp not null default (now() at time zone 'UTC'),
    constraint ledger_pkey primary key (group_id, pipeline, source, split, filter),
    constraint ledger_group_id_fkey foreign key (group_id) references public.groups (group_id),
    constraint ledger_status_check check (status in ('stored', 'gone', 'invalid')),
    constraint ledger_counts_check check (
        least(bytes, read, stored, duplicate, filtered, quarantined) >= 0
        and read = stored + duplicate + filtered + quarantined)
);

comment on table public.ledger is
    'One row for each split that is done, and for each filter it was read under: read = stored + duplicate + filtered + quarantined.';

-- The id is made by the sink from everything that identifies the record or split,
-- so that a repeat adds nothing.
create table public.quarantine (
    id          uuid not null,
    kind        text not null,
    group_id    uuid not null,
    pipeline    text not null,
    source      text not null,
    split       text not null,
    event_id    text,
    event_time  timestamp,
    reason      text not null,
    raw         bytea,
    recorded_at timestamp not null default (now() at time zone 'UTC'),
    constraint quarantine_pkey primary key (id),
    constraint quarantine_group_id_fkey foreign key (group_id) references public.groups (group_id),
    constraint quarantine_kind_check check (kind in ('record', 'split'))
);

comment on table public.quarantine is
    'Records and whole splits that could not be stored, with the reason, and the bytes of a record.';

create table public.variants (
    id          uuid not null,
    event_time  timestamp not null,
    content     bytea not null,
    origin      text not null,
    raw         bytea not null,
    recorded_at timestamp not null default (now() at time zone 'UTC'),
    constraint variants_pkey primary key (id, event_time, content)
);

comment on table public.variants is
    'Records that came with the id of a stored event but with other content. None should ever be here: somebody may be trying to hide an event.';
comment on column public.variants.content is
    'SHA-256 of raw.';
