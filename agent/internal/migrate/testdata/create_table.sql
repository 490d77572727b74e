-- The tables of INU-Detector as its create_table.sql makes them.
create table groups (
    group_id   uuid primary key,
    group_name varchar(255) not null,
    created_at timestamp default now()
);
create table events (
    id             uuid primary key,
    group_id       uuid not null references groups (group_id),
    source_product varchar(255),
    source_ip      inet,
    user_agent     text,
    occurred_at    timestamptz,
    created_at     timestamp default now()
);
create table cloudtrail (
    id                   uuid primary key,
    event_id             uuid not null references events (id),
    event_time           timestamp not null,
    event_name           varchar(255) not null,
    event_source         varchar(255) not null,
    aws_region           varchar(50) not null,
    source_ip            inet,
    user_identity        jsonb,
    request_parameters   jsonb,
    response_elements    jsonb,
    cloudtrail_event_id  varchar(255) unique not null,
    event_type           varchar(100),
    management_event     boolean,
    recipient_account_id varchar(20),
    event_category       varchar(100),
    created_at           timestamp default now()
);
create index idx_cloudtrail_event_time on cloudtrail (event_time);
create index idx_cloudtrail_event_name on cloudtrail (event_name);
create index idx_cloudtrail_event_id on cloudtrail (cloudtrail_event_id);
create index idx_cloudtrail_user_identity on cloudtrail using gin (user_identity);
create index idx_events_group_id on events (group_id);
create index idx_cloudtrail_event_id_fk on cloudtrail (event_id);

insert into groups values ('11111111-1111-4111-8111-111111111111', 'old');
insert into events (id, group_id) values ('22222222-2222-4222-8222-222222222222', '11111111-1111-4111-8111-111111111111');
insert into cloudtrail (id, event_id, event_time, event_name, event_source, aws_region, cloudtrail_event_id)
values ('33333333-3333-4333-8333-333333333333', '22222222-2222-4222-8222-222222222222', '2025-01-01', 'ConsoleLogin', 'signin', 'us-east-1', 'x');
