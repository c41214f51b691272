-- What other services are told: one row with each entry of the record that somebody may want to hear
-- of, in the same transaction. `spread` turns 1 once it was given to those who want it.

create table notification (
    leaf blob primary key,
    event text not null check (
        event in ('lost', 'stopped', 'reinstated', 'spare-key-used', 'alert')
    ),
    site text not null,
    about text not null,
    at bigint not null,
    spread bigint not null default 0 check (spread in (0, 1))
);

create index notification_to_spread on notification (at) where spread = 0;

-- One row for each of them that is told. Whoever sends it moves `due_at` first, so that one who dies
-- has only delayed it.
create table notification_delivery (
    leaf blob not null references notification (leaf),
    endpoint text not null,
    due_at bigint not null,
    tries bigint not null default 0 check (tries >= 0),
    delivered_at bigint,
    dead_at bigint,
    error text,
    primary key (leaf, endpoint),
    check (delivered_at is null or dead_at is null)
);

create index notification_delivery_due on notification_delivery (due_at)
    where delivered_at is null and dead_at is null;
