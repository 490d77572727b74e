-- Tables that INU-Detector's code can write to, as somebody may have made them.
create table groups (group_id uuid primary key, group_name text);
create table events (
    id             uuid primary key,
    group_id       uuid,
    source_product text,
    source_ip      text,
    user_agent     text
);
create table cloudtrail (
    id                              uuid primary key,
    event_id                        text,
    event_version                   text,
    event_time                      timestamptz,
    event_source                    text,
    event_name                      text,
    event_category                  text,
    event_type                      text,
    aws_region                      text,
    read_only                       boolean,
    request_id                      text,
    source_ip                       text,
    user_agent                      text,
    management_event                boolean,
    recipient_account_id            text,
    session_credential_from_console text,
    shared_event_id                 text,
    error_code                      text,
    error_message                   text,
    user_identity                   jsonb,
    tls_details                     jsonb,
    request_parameters              jsonb,
    response_elements               jsonb,
    insight_details                 jsonb,
    resources                       jsonb
);
insert into groups values ('11111111-1111-4111-8111-111111111111', 'old');
insert into events (id) values ('22222222-2222-4222-8222-222222222222');
insert into cloudtrail (id, event_id) values ('22222222-2222-4222-8222-222222222222', 'the eventID of AWS');
