-- Cuts at the video platform: one row a visit that ended, written in the transaction that ended it.
-- Whoever claims a row moves `due_at` ahead, so that another node takes it up if the first one dies;
-- `tries` tells two claims apart. `proof` is the platform's own word, the list without the laptop.

create table cut (
    session_id blob primary key references session (session_id),
    site text not null,
    room_id blob not null references room (room_id),
    urgent bigint not null check (urgent in (0, 1)),
    ended_at bigint not null,
    due_at bigint not null,
    tries bigint not null default 0 check (tries >= 0),
    trouble text check (
        trouble in ('refused', 'not-reached', 'not-believed', 'still-there', 'ours')
    ),
    proved_at bigint,
    proof text,
    done_at bigint,
    check ((proved_at is null) = (proof is null)),
    check (done_at is null or proved_at is not null)
);

create index cut_due on cut (due_at) where done_at is null;

-- Which visit ran on a laptop when an order was given.
create index session_by_device on session (device_id, started_at);

-- Visits that can no longer run are ended by whoever sees them first.
create index session_overdue on session (cannot_run_past) where ended_at is null;
