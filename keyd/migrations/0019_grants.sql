-- What a grant is besides a role and a state: a site's spare, each use of which is told, and one that
-- ended because the person has left.

alter table key_grant add column spare bigint not null default 0 check (spare in (0, 1));
alter table key_grant add column left_at bigint;
