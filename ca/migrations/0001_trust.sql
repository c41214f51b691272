-- Whom this authority trusts: every bundle that was taken into use, so that none is taken back, and
-- every charter that it was given. Nothing here is ever changed or deleted.

create table bundle (
    version integer primary key,
    payload_sha256 blob not null,
    package text not null,
    taken_up_at integer not null
) strict;

create table charter (
    charter_id blob primary key,
    issued_at integer not null,
    envelope text not null,
    taken_up_at integer not null
) strict;

create trigger bundle_stays before update on bundle begin select raise(abort, 'the journal only grows'); end;
create trigger bundle_is_kept before delete on bundle begin select raise(abort, 'the journal only grows'); end;
create trigger charter_stays before update on charter begin select raise(abort, 'the journal only grows'); end;
create trigger charter_is_kept before delete on charter begin select raise(abort, 'the journal only grows'); end;
