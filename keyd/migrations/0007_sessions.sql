-- Rooms and visits. `reset_count`, `restart_count`, `anchor_clock` and `anchor_at` tie the TPM's clock
-- to ours as it was in the last quote; `last_clock` is that of the last statement.

create table room (
    room_id blob primary key,
    site text not null references site (site),
    opened_at bigint not null,
    closed_at bigint
);

create table session (
    session_id blob primary key,
    site text not null references site (site),
    device_id blob not null references device (device_id),
    generation bigint not null,
    key blob not null references staff_key (key),
    room_id blob not null references room (room_id),
    activation_sha256 blob not null,
    certificate_sha256 blob not null,
    started_at bigint not null,
    hard_end bigint not null,
    cannot_run_past bigint not null,
    seq bigint not null default 0,
    renew_nonce_hash blob not null,
    answered_request blob,
    lease text not null,
    reset_count bigint not null,
    restart_count bigint not null,
    anchor_clock bigint not null,
    anchor_at bigint not null,
    last_clock bigint not null,
    visit_state text not null,
    ended_at bigint,
    end_reason text
);

-- One visit on a laptop, one visit with a key.
create unique index session_open_device on session (device_id) where ended_at is null;
create unique index session_open_key on session (key) where ended_at is null;
create index session_by_site on session (site, started_at);
