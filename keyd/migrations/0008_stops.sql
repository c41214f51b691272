-- Holds, orders, and acts that wait for a second person.

create table hold (
    hold_id blob primary key,
    site text not null,
    target_kind text not null check (target_kind in ('laptop', 'key')),
    target blob not null,
    class text not null check (
        class in ('lost', 'stolen', 'incident', 'misuse', 'maintenance', 'other', 'revoked')
    ),
    mode text not null check (mode in ('immediate', 'after-this-call')),
    by_role text not null,
    by_key blob not null,
    by_person blob not null,
    note text not null,
    placed_at bigint not null,
    lifted_at bigint,
    check (lifted_at is null or class <> 'revoked')
);

create index hold_standing on hold (target_kind, target) where lifted_at is null;

create table device_order (
    device_id blob not null references device (device_id),
    seq bigint not null,
    order_id blob not null unique,
    site text not null,
    generation bigint not null,
    command text not null,
    body text not null,
    committed_at bigint not null,
    sent_at bigint,
    received_at bigint,
    acted_at bigint,
    result text,
    receipt text,
    primary key (device_id, seq)
);

create index device_order_unacknowledged on device_order (device_id, seq) where receipt is null;

create table approval (
    approval_id blob primary key,
    site text not null,
    target_kind text not null check (target_kind in ('laptop', 'key')),
    target blob not null,
    holds text not null,
    requester_key blob not null,
    requester_person blob not null,
    requester_role text not null,
    signed_act text not null,
    requested_at bigint not null,
    expires_at bigint not null,
    approver_key blob,
    approver_person blob,
    approver_role text,
    approved_at bigint,
    check (approver_key is null or approver_key <> requester_key),
    check (approver_person is null or approver_person <> requester_person),
    check (approver_role is null or approver_role <> requester_role)
);
