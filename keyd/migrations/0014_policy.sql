-- The policies that people have put in force at their site, one version after the other. Rows stay:
-- a lease can be explained by the policy of its day. `policy_version` 0 is the installation's own.

alter table site add column policy_version bigint not null default 0;

create table site_policy (
    site text not null references site (site),
    version bigint not null check (version >= 1),
    policy text not null,
    acts text not null,
    set_at bigint not null,
    primary key (site, version)
);
