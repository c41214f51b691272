-- The drawn arrows of `keyd/src/states.rs`, as rows, so that the database refuses every other change
-- of state, whoever asks. The triggers that read them differ between the engines and are made after
-- the migrations (`keyd/src/store/guards`).

create table arrow (
    kind text not null check (kind in ('laptop', 'key')),
    from_state text not null,
    to_state text not null,
    primary key (kind, from_state, to_state),
    check (from_state <> 'revoked')
);

insert into arrow (kind, from_state, to_state) values
    ('laptop', 'announced', 'pending'),
    ('laptop', 'pending', 'active'),
    ('laptop', 'announced', 'quarantine'),
    ('laptop', 'pending', 'quarantine'),
    ('laptop', 'active', 'quarantine'),
    ('laptop', 'announced', 'announced'),
    ('laptop', 'pending', 'announced'),
    ('laptop', 'quarantine', 'announced'),
    ('laptop', 'announced', 'revoked'),
    ('laptop', 'pending', 'revoked'),
    ('laptop', 'active', 'revoked'),
    ('laptop', 'quarantine', 'revoked'),
    ('key', 'announced', 'pending'),
    ('key', 'pending', 'active'),
    ('key', 'announced', 'quarantine'),
    ('key', 'pending', 'quarantine'),
    ('key', 'active', 'quarantine'),
    ('key', 'announced', 'revoked'),
    ('key', 'pending', 'revoked'),
    ('key', 'active', 'revoked'),
    ('key', 'quarantine', 'revoked');
