-- How far a stop reaches: holds on a person, a site and the nation are counted in one row each, which
-- every start reads under a lock; and acts of any kind that wait for a second person.
-- A check cannot be widened in place on SQLite, so three tables are made anew around their rows.

alter table person add column holds bigint not null default 0 check (holds >= 0);
alter table person add column drains bigint not null default 0 check (drains >= 0);
alter table site add column holds bigint not null default 0 check (holds >= 0);
alter table site add column drains bigint not null default 0 check (drains >= 0);

create table nation (
    id bigint primary key check (id = 1),
    holds bigint not null default 0 check (holds >= 0),
    drains bigint not null default 0 check (drains >= 0)
);
insert into nation (id) values (1);

create table key_grant_wider (
    site text not null references site (site),
    key blob not null references staff_key (key),
    role text not null check (
        role in ('staff', 'lead', 'security-officer', 'national-administrator', 'auditor')
    ),
    state text not null check (state in ('announced', 'pending', 'active', 'quarantine', 'revoked')),
    certificate blob,
    certificate_sha256 blob unique,
    phrase text not null,
    approved_by blob not null,
    registered_at bigint not null,
    confirmed_at bigint,
    primary key (site, key),
    -- National administrators are of the reserved site, where nobody but they and auditors are.
    check ((site = 'national') = (role = 'national-administrator') or role = 'auditor')
);
insert into key_grant_wider (site, key, role, state, certificate, certificate_sha256, phrase,
    approved_by, registered_at, confirmed_at)
select site, key, role, state, certificate, certificate_sha256, phrase, approved_by, registered_at,
    confirmed_at from key_grant;
drop table key_grant;
alter table key_grant_wider rename to key_grant;
create index key_grant_key on key_grant (key);

create table hold_wider (
    hold_id blob primary key,
    site text not null,
    target_kind text not null check (target_kind in ('laptop', 'key', 'person', 'site', 'nation')),
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
    check (lifted_at is null or class <> 'revoked'),
    -- A thing can be lost; a person, a site and the nation cannot. Neither of the last is revoked.
    check (class not in ('lost', 'stolen') or target_kind in ('laptop', 'key')),
    check (class <> 'revoked' or target_kind in ('laptop', 'key', 'person'))
);
insert into hold_wider (hold_id, site, target_kind, target, class, mode, by_role, by_key, by_person,
    note, placed_at, lifted_at)
select hold_id, site, target_kind, target, class, mode, by_role, by_key, by_person, note, placed_at,
    lifted_at from hold;
drop table hold;
alter table hold_wider rename to hold;
create index hold_standing on hold (target_kind, target) where lifted_at is null;
create index hold_by_person on hold (by_person, placed_at);

-- Where a wide stop touches.
create index session_open_site on session (site) where ended_at is null;

-- Any act that waits for a second person, as it was signed. Whoever agrees signs its hash.
drop table approval;
create table approval (
    approval_id blob primary key,
    site text not null,
    act_sha256 blob not null unique,
    signed_act text not null,
    requester_key blob not null,
    requester_person blob not null,
    requester_role text not null,
    requested_at bigint not null,
    expires_at bigint not null,
    approver_key blob,
    approver_person blob,
    approver_role text,
    approver_act text,
    approved_at bigint,
    check (approver_key is null or approver_key <> requester_key),
    check (approver_person is null or approver_person <> requester_person),
    -- Two roles, but for what two national administrators do.
    check (
        approver_role is null or approver_role <> requester_role
        or approver_role = 'national-administrator'
    ),
    check (
        (approved_at is null) = (approver_key is null)
        and (approved_at is null) = (approver_person is null)
        and (approved_at is null) = (approver_role is null)
        and (approved_at is null) = (approver_act is null)
    )
);
create index approval_waiting on approval (expires_at) where approved_at is null;

-- What somebody should look at. `once` keeps one thing from being told twice.
create table alert (
    alert_id blob primary key,
    at bigint not null,
    site text not null,
    kind text not null,
    object text not null,
    detail text not null,
    once text not null unique
);
create index alert_by_site on alert (site, at);
create index alert_by_time on alert (at);
