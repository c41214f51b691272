-- A registration of a laptop that is enrolled already renews its certificates, over the same keys.

alter table registration add column renews bigint not null default 0 check (renews in (0, 1));
