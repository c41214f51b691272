-- Whom we trust, and which sites have shown their charter.
-- On PostgreSQL the domain `blob` (bytea) is made before the migrations, so that one text serves both.

create table bundle (
    version bigint primary key,
    payload_sha256 blob not null,
    package text not null,
    imported_at bigint not null
);

create table site (
    site text primary key,
    charter_id blob not null unique,
    charter text not null,
    charter_issued_at bigint not null,
    registrar_key blob not null,
    registrar_thumbprint blob not null unique,
    registered_at bigint not null
);

-- Each first key of a charter is certified once. The rows stay when a newer charter takes the place
-- of the one that they belong to.
create table first_key (
    charter_id blob not null,
    key blob not null,
    role text not null,
    used_at bigint,
    primary key (charter_id, key)
);
