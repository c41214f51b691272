-- What no statement may do, in the words of PostgreSQL. The same rules as sqlite.sql, in the same order.

create or replace function guard_refuses() returns trigger language plpgsql as $$
begin
    raise exception 'guard: %', tg_argv[0] using errcode = 'check_violation', constraint = tg_name;
end $$;

create or replace trigger arrow_is_kept before delete on arrow
    for each row execute function guard_refuses('arrows are drawn by migrations');
create or replace trigger arrow_stays before update on arrow
    for each row execute function guard_refuses('arrows are drawn by migrations');

create or replace trigger device_begins before insert on device
    for each row when (new.state <> 'announced')
    execute function guard_refuses('a laptop begins as announced');

-- A new enrolment is the next one, and has another attestation key and another device key.
create or replace function guard_device_arrow() returns trigger language plpgsql as $$
begin
    if not exists (
        select 1 from arrow
        where kind = 'laptop' and from_state = old.state and to_state = new.state
    )
    or (new.state = 'announced' and (
        new.generation <> old.generation + 1
        or new.ak_name = old.ak_name
        or new.device_key_thumbprint = old.device_key_thumbprint
    ))
    or (new.state <> 'announced' and new.generation <> old.generation) then
        raise exception 'guard: no such arrow for a laptop'
            using errcode = 'check_violation', constraint = tg_name;
    end if;
    return new;
end $$;
create or replace trigger device_arrow before update of state, generation on device
    for each row when (new.state <> old.state or new.generation <> old.generation)
    execute function guard_device_arrow();

create or replace trigger device_is_kept before delete on device
    for each row execute function guard_refuses('laptops are kept');

create or replace trigger grant_begins before insert on key_grant
    for each row when (new.state <> 'announced')
    execute function guard_refuses('a key begins as announced');

create or replace function guard_grant_arrow() returns trigger language plpgsql as $$
begin
    if not exists (
        select 1 from arrow
        where kind = 'key' and from_state = old.state and to_state = new.state
    ) then
        raise exception 'guard: no such arrow for a key'
            using errcode = 'check_violation', constraint = tg_name;
    end if;
    return new;
end $$;
create or replace trigger grant_arrow before update of state on key_grant
    for each row when (new.state <> old.state)
    execute function guard_grant_arrow();

create or replace trigger grant_is_kept before delete on key_grant
    for each row execute function guard_refuses('keys are kept');

create or replace trigger key_stays_revoked before update of revoked on staff_key
    for each row when (old.revoked = 1 and new.revoked <> 1)
    execute function guard_refuses('a revoked key stays revoked');

create or replace trigger key_is_kept before delete on staff_key
    for each row execute function guard_refuses('keys are kept');

create or replace trigger hold_stays before update of hold_id, class, mode, by_role, target on hold
    for each row when (new.hold_id <> old.hold_id or new.class <> old.class or new.mode <> old.mode
        or new.by_role <> old.by_role or new.target <> old.target)
    execute function guard_refuses('a hold stays what it was placed for');

create or replace trigger hold_stays_lifted before update of lifted_at on hold
    for each row when (old.lifted_at is not null
        and (new.lifted_at is null or new.lifted_at <> old.lifted_at))
    execute function guard_refuses('a hold is lifted once');

create or replace trigger hold_is_kept before delete on hold
    for each row execute function guard_refuses('holds are kept');

create or replace trigger session_stays_ended before update of ended_at on session
    for each row when (old.ended_at is not null
        and (new.ended_at is null or new.ended_at <> old.ended_at))
    execute function guard_refuses('a visit ends once');
