-- Nonces, by their hash; each is spent by one update.

create table challenge (
    challenge_id blob primary key,
    nonce_hash blob not null unique,
    purpose text not null check (purpose in ('activate', 'move', 'extend')),
    session_id blob,
    device_id blob not null references device (device_id),
    generation bigint not null,
    site text not null,
    room_id blob not null,
    room_is_new bigint not null check (room_is_new in (0, 1)),
    key blob not null,
    certificate_sha256 blob not null,
    gate_nonce blob not null,
    event_log blob not null,
    event_log_wanted bigint not null check (event_log_wanted in (0, 1)),
    pcrs text not null,
    issued_at bigint not null,
    expires_at bigint not null,
    consumed_at bigint
);

create index challenge_expiry on challenge (expires_at);

create table action_nonce (
    nonce_hash blob primary key,
    issued_at bigint not null,
    expires_at bigint not null,
    consumed_at bigint
);

create index action_nonce_expiry on action_nonce (expires_at);

-- Keys in an operator's program that may read for a while. The counter only grows.
create table reader (
    reader_id blob primary key,
    site text not null,
    key blob not null references staff_key (key),
    role text not null,
    reader_key blob not null,
    reader_key_thumbprint blob not null unique,
    opened_at bigint not null,
    expires_at bigint not null,
    counter bigint not null default 0
);
