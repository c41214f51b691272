-- What a quote in a running visit showed, so that the visit may only be finished: a refusal code.

alter table session add column finish text;

-- The end of a laptop's certificates, the earlier of the two. No visit goes past it.
alter table device add column certified_until bigint;

-- The visit that ended for this one to go on in its room, at another laptop.
alter table session add column moved_from blob;

-- Every key that was in control of a visit, the newest in `session.key`: a colleague's key takes over,
-- and a stop of any of them ends the visit.
create table session_key (
    session_id blob not null references session (session_id),
    key blob not null references staff_key (key),
    since bigint not null,
    primary key (session_id, key)
);

create index session_key_by_key on session_key (key, session_id);
