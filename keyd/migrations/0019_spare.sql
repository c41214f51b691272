-- A site's spare security key: a grant like any other, with each use of it told.

alter table key_grant add column spare bigint not null default 0 check (spare in (0, 1));
