-- The record: one row a decision, each holding the hash of the row before.
-- `entry` is the exact text whose leaf hash (RFC 6962) is in `leaf`.

create table audit (
    place bigint primary key,
    at bigint not null,
    site text not null,
    event text not null,
    actor text not null,
    target text not null,
    code text,
    entry text not null,
    leaf blob not null,
    previous blob not null
);

create index audit_by_site on audit (site, place);
create index audit_by_target on audit (target, place);

-- One row: the end of the record. Whoever appends locks it last. The row is made after the
-- migrations, since the engines write the hash of the empty tree in different ways.
create table audit_head (
    id bigint primary key check (id = 1),
    place bigint not null,
    leaf blob not null
);
