-- What the authority's key was about to sign (written before), and what it has signed (written after).
-- Rows are added and never changed, so that the journal of a crash is the journal.

create table intent (
    intent_id integer primary key autoincrement,
    at integer not null,
    -- Why, as JSON: laptop, recertification, key or listener, with keyd's receipt.
    purpose text not null,
    -- What is looked up, from the same JSON.
    kind text not null check (kind in ('laptop', 'recertification', 'key', 'listener')),
    enrolment_id blob unique,
    ek blob,
    device_id blob,
    generation integer,
    key blob,
    person_id blob,
    check ((kind = 'listener') = (enrolment_id is null)),
    check ((kind in ('laptop', 'recertification')) = (ek is not null and device_id is not null and generation is not null)),
    check ((kind = 'key') = (key is not null and person_id is not null))
) strict;

-- An enrolment of a laptop happens once, whoever asks twice at the same time.
create unique index intent_by_ek on intent (ek, generation) where kind = 'laptop';
create unique index intent_by_device on intent (device_id, generation) where kind = 'laptop';
create index intent_of_laptop on intent (device_id) where device_id is not null;
create index intent_by_key on intent (key) where key is not null;
create index intent_by_person on intent (person_id) where person_id is not null;

-- The certificates that one intent is about, in the order announced. `plan` is everything that goes
-- into one, so that the same bytes can be prepared again; `tbs_sha256` is what was announced.
create table planned (
    intent_id integer not null references intent (intent_id),
    place integer not null,
    plan text not null,
    tbs_sha256 blob not null,
    primary key (intent_id, place)
) strict;

-- One an intent: signed, or given up with the reason.
create table outcome (
    intent_id integer primary key references intent (intent_id),
    at integer not null,
    result text not null check (result in ('signed', 'abandoned')),
    note text not null
) strict;

create table issued (
    intent_id integer not null references outcome (intent_id),
    place integer not null,
    certificate blob not null,
    primary key (intent_id, place)
) strict;

-- keyd's word that it has seen what was signed; only then is it released.
create table report (
    intent_id integer primary key references outcome (intent_id),
    at integer not null,
    receipt text not null
) strict;

create trigger intent_stays before update on intent begin select raise(abort, 'the journal only grows'); end;
create trigger intent_is_kept before delete on intent begin select raise(abort, 'the journal only grows'); end;
create trigger planned_stays before update on planned begin select raise(abort, 'the journal only grows'); end;
create trigger planned_is_kept before delete on planned begin select raise(abort, 'the journal only grows'); end;
create trigger outcome_stays before update on outcome begin select raise(abort, 'the journal only grows'); end;
create trigger outcome_is_kept before delete on outcome begin select raise(abort, 'the journal only grows'); end;
create trigger issued_stays before update on issued begin select raise(abort, 'the journal only grows'); end;
create trigger issued_is_kept before delete on issued begin select raise(abort, 'the journal only grows'); end;
create trigger report_stays before update on report begin select raise(abort, 'the journal only grows'); end;
create trigger report_is_kept before delete on report begin select raise(abort, 'the journal only grows'); end;
