-- The Merkle tree over the record: tiles of 256 hashes (C2SP tlog-tiles), eight levels of the tree a
-- level of tiles. Hashes are only ever added at the right end of the last tile of a level.

create table tree_tile (
    level bigint not null check (level between 0 and 7),
    tile bigint not null check (tile >= 0),
    hashes blob not null,
    primary key (level, tile)
);

-- One row: how many entries are in the tree, and the signed checkpoint that says so. Whoever places
-- entries locks it first.
create table tree_head (
    id bigint primary key check (id = 1),
    size bigint not null check (size >= 0),
    checkpoint text
);

insert into tree_head (id, size, checkpoint) values (1, 0, null);

-- What each witness has signed last: the checkpoint as a note, with its signature.
create table witness_word (
    witness text primary key,
    size bigint not null check (size >= 0),
    checkpoint text not null,
    said_at bigint not null
);
