-- What no statement may do, in the words of SQLite. The same rules as postgres.sql, in the same order.

begin immediate;

drop trigger if exists arrow_is_kept;
create trigger arrow_is_kept before delete on arrow begin
    select raise(abort, 'guard: arrows are drawn by migrations');
end;
drop trigger if exists arrow_stays;
create trigger arrow_stays before update on arrow begin
    select raise(abort, 'guard: arrows are drawn by migrations');
end;

drop trigger if exists device_begins;
create trigger device_begins before insert on device
when new.state <> 'announced'
begin
    select raise(abort, 'guard: a laptop begins as announced');
end;

-- A new enrolment is the next one, and has another attestation key and another device key.
drop trigger if exists device_arrow;
create trigger device_arrow before update of state, generation on device
when (new.state <> old.state or new.generation <> old.generation) and (
    not exists (
        select 1 from arrow
        where kind = 'laptop' and from_state = old.state and to_state = new.state
    )
    or (new.state = 'announced' and (
        new.generation <> old.generation + 1
        or new.ak_name = old.ak_name
        or new.device_key_thumbprint = old.device_key_thumbprint
    ))
    or (new.state <> 'announced' and new.generation <> old.generation)
)
begin
    select raise(abort, 'guard: no such arrow for a laptop');
end;

drop trigger if exists device_is_kept;
create trigger device_is_kept before delete on device begin
    select raise(abort, 'guard: laptops are kept');
end;

drop trigger if exists grant_begins;
create trigger grant_begins before insert on key_grant
when new.state <> 'announced'
begin
    select raise(abort, 'guard: a key begins as announced');
end;

drop trigger if exists grant_arrow;
create trigger grant_arrow before update of state on key_grant
when new.state <> old.state and not exists (
    select 1 from arrow
    where kind = 'key' and from_state = old.state and to_state = new.state
)
begin
    select raise(abort, 'guard: no such arrow for a key');
end;

drop trigger if exists grant_is_kept;
create trigger grant_is_kept before delete on key_grant begin
    select raise(abort, 'guard: keys are kept');
end;

drop trigger if exists key_stays_revoked;
create trigger key_stays_revoked before update of revoked on staff_key
when old.revoked = 1 and new.revoked <> 1
begin
    select raise(abort, 'guard: a revoked key stays revoked');
end;

drop trigger if exists key_is_kept;
create trigger key_is_kept before delete on staff_key begin
    select raise(abort, 'guard: keys are kept');
end;

drop trigger if exists hold_stays;
create trigger hold_stays before update of hold_id, class, mode, by_role, target on hold
when new.hold_id <> old.hold_id or new.class <> old.class or new.mode <> old.mode
    or new.by_role <> old.by_role or new.target <> old.target
begin
    select raise(abort, 'guard: a hold stays what it was placed for');
end;

drop trigger if exists hold_stays_lifted;
create trigger hold_stays_lifted before update of lifted_at on hold
when old.lifted_at is not null and (new.lifted_at is null or new.lifted_at <> old.lifted_at)
begin
    select raise(abort, 'guard: a hold is lifted once');
end;

drop trigger if exists hold_is_kept;
create trigger hold_is_kept before delete on hold begin
    select raise(abort, 'guard: holds are kept');
end;

drop trigger if exists session_stays_ended;
create trigger session_stays_ended before update of ended_at on session
when old.ended_at is not null and (new.ended_at is null or new.ended_at <> old.ended_at)
begin
    select raise(abort, 'guard: a visit ends once');
end;

commit;
