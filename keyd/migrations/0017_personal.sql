-- What people are called and what they typed, beside the record. The record holds SHA-256 over salt
-- and words; without both nobody can tell what was said, and every proof still holds.

create table personal_detail (
    commitment blob primary key,
    person_id blob not null,
    kind text not null check (kind in ('name', 'note')),
    salt blob not null,
    words text not null,
    noted_at bigint not null
);

create index personal_detail_person on personal_detail (person_id, noted_at);
