-- Status lists. Each laptop, key, person and site has one index in the list of its class, given once
-- and never again. `value` is what the rows of the object say; it is brought up to them in the
-- transaction that changes them, and each time it moves a row of `status_change` waits for whoever
-- publishes next. Whoever stops something waits for no publisher: it only adds rows.

create table status_count (
    class text primary key check (class in ('devices', 'keys', 'staff', 'sites')),
    allotted bigint not null default 0 check (allotted >= 0)
);

create table status_entry (
    class text not null references status_count (class),
    object blob not null,
    idx bigint not null check (idx >= 0),
    value bigint not null check (value between 0 and 3),
    changes bigint not null default 1 check (changes >= 1),
    primary key (class, object),
    unique (class, idx)
);

create table status_change (
    class text not null,
    idx bigint not null,
    change bigint not null,
    value bigint not null check (value between 0 and 3),
    epoch bigint check (epoch >= 1),
    primary key (class, idx, change)
);

create index status_change_waiting on status_change (class) where epoch is null;
create index status_change_published on status_change (class, epoch) where epoch is not null;

-- One row a class. Its lock makes one publisher at a time; `epoch` only rises.
create table status_head (
    class text primary key references status_count (class),
    epoch bigint not null default 0 check (epoch >= 0),
    published_at bigint not null default 0,
    folded_at bigint not null default 0
);

-- What was signed: the changes of each epoch, and the newest whole list.
create table status_epoch (
    class text not null references status_head (class),
    epoch bigint not null,
    root blob not null,
    token text not null,
    primary key (class, epoch)
);

create table status_whole (
    class text primary key references status_head (class),
    epoch bigint not null,
    entries bigint not null,
    packed blob not null,
    token text not null
);

insert into status_count (class) values ('devices'), ('keys'), ('staff'), ('sites');
insert into status_head (class) values ('devices'), ('keys'), ('staff'), ('sites');

-- A person stands as their keys do.
create index staff_key_by_person on staff_key (person_id);
