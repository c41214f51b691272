-- Laptops. `holds` and `drains` count the holds that stand (at once, after this call); `version`
-- moves with everything that an appraisal depends on, so that a decision made on an older reading
-- of the row is noticed by the statement that writes.

create table device (
    device_id blob primary key,
    site text not null references site (site),
    asset text not null,
    generation bigint not null check (generation >= 1),
    state text not null check (state in ('announced', 'pending', 'active', 'quarantine', 'revoked')),
    holds bigint not null default 0 check (holds >= 0),
    drains bigint not null default 0 check (drains >= 0),
    version bigint not null default 1,
    order_seq bigint not null default 0,
    ek_sha256 blob not null unique,
    ak_name blob not null,
    ak_key blob not null,
    ak_qualified_name blob not null,
    device_key blob not null,
    device_key_thumbprint blob not null unique,
    device_certificate blob,
    ak_certificate blob,
    baseline text not null,
    firmware_version bigint not null,
    tpm_reset_count bigint not null,
    tpm_restart_count bigint not null,
    tpm_clock bigint not null,
    phrase text not null,
    lead_key blob not null,
    lead_person blob not null,
    registered_at bigint not null,
    confirmed_at bigint,
    last_seen_at bigint
);

-- A tag is on one laptop at a time.
create unique index device_asset on device (site, asset) where state <> 'revoked';

-- Event logs that were replayed: the values depend on the bytes alone.
create table event_log (
    sha256 blob primary key,
    bytes blob not null,
    pcrs text not null,
    first_seen_at bigint not null
);
