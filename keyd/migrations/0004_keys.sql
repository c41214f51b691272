-- People and their security keys. A key is one row, whatever the number of sites; what it may do at
-- a site is a grant. Names of people stand here and nowhere else.

create table person (
    person_id blob primary key,
    name text not null,
    created_at bigint not null
);

create table staff_key (
    key blob primary key,
    point blob not null,
    person_id blob not null references person (person_id),
    serial bigint not null,
    firmware text not null,
    form_factor text not null,
    revoked bigint not null default 0 check (revoked in (0, 1)),
    holds bigint not null default 0 check (holds >= 0),
    drains bigint not null default 0 check (drains >= 0),
    version bigint not null default 1,
    registered_at bigint not null,
    last_used_at bigint
);

-- One token has one key in slot 9c; a second enrolment of the same token needs the first retired.
create unique index staff_key_serial on staff_key (serial) where revoked = 0;

create table key_grant (
    site text not null references site (site),
    key blob not null references staff_key (key),
    role text not null check (role in ('staff', 'lead', 'security-officer', 'auditor')),
    state text not null check (state in ('announced', 'pending', 'active', 'quarantine', 'revoked')),
    certificate blob,
    certificate_sha256 blob unique,
    phrase text not null,
    approved_by blob not null,
    registered_at bigint not null,
    confirmed_at bigint,
    primary key (site, key)
);
