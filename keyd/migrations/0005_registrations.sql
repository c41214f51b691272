-- What a site authority is about to sign. `secret` is wiped when it is spent.

create table registration (
    registration_id blob primary key,
    site text not null references site (site),
    enrolment_id blob not null,
    kind text not null check (kind in ('laptop', 'key')),
    stage text not null check (stage in ('open', 'announced', 'issued')),
    request text not null,
    subject blob not null,
    generation bigint,
    nonce blob not null,
    secret blob,
    ca_nonce blob not null,
    opened_at bigint not null,
    expires_at bigint not null,
    certificates text,
    unique (site, enrolment_id)
);
