-- no transaction
--
-- Partitions requests and events by the month of the requests' ids, which are 'signv3-' and a UUID of version 7: text
-- order is time order. Each table becomes the first partition of a new one, for all ids before a month that has not
-- begun, also those of other trails ('phone/...'). Its rows and indexes stay as they are. A default partition takes ids
-- of months without a partition; the program makes these ahead.
--
-- Calls go on. The CHECK lets ATTACH PARTITION skip its scan, and is validated under a lock that they do not
-- wait for. The exclusive lock is waited for up to 300 ms at a time, so that calls do not queue behind it for longer.
-- Calls do not wait for the lock before it, which is that of a vacuum; the server stops its own vacuum for it.
--
-- events_by_leaf was unique over all events. Each partition has such an index now. That no two have one leaf follows
-- from the lock of the row audit_size, under which all leaves are given.
--
-- A run that was interrupted leaves the CHECK, which refuses requests from the month of its bound on: one or two
-- months later. The next run replaces it.
DO $$
DECLARE
    bound  text;
    month  timestamp := date_trunc('month', now() AT TIME ZONE 'UTC');
    name   text;
    id     text;
    later  boolean;
    users  text;
BEGIN
    IF (SELECT relkind FROM pg_class WHERE oid = to_regclass('requests')) = 'p' THEN
        RETURN; -- an earlier run was interrupted before its version was recorded
    END IF;
    IF EXISTS (SELECT 1 FROM requests) THEN
        month := month + interval '2 months';
    END IF;
    bound := lpad(to_hex((extract(epoch FROM month AT TIME ZONE 'UTC') * 1000)::bigint), 12, '0');
    bound := 'signv3-' || left(bound, 8) || '-' || right(bound, 4);

    -- The first step adds the CHECK and validates it, the second one swaps the tables.
    FOR step IN 1..2 LOOP
        FOR try IN 1..60 LOOP
            BEGIN
                SET LOCAL lock_timeout = '5s';
                LOCK TABLE requests, events IN SHARE UPDATE EXCLUSIVE MODE;
                SET LOCAL lock_timeout = '300ms';
                IF step = 1 THEN
                    FOREACH name IN ARRAY ARRAY['requests', 'events'] LOOP
                        id := CASE name WHEN 'requests' THEN 'id' ELSE 'request_id' END;
                        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS before_month', name);
                        -- Rows of later months, which a test may have, move below; the scan then finds none.
                        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I WHERE %I >= %L)', name, id, bound) INTO later;
                        IF NOT later THEN
                            EXECUTE format('ALTER TABLE %I ADD CONSTRAINT before_month CHECK (%I < %L) NOT VALID',
                                name, id, bound);
                        END IF;
                    END LOOP;
                ELSE
                    LOCK TABLE requests, events IN ACCESS EXCLUSIVE MODE;

                    ALTER TABLE requests RENAME TO requests_first;
                    ALTER INDEX requests_pkey RENAME TO requests_first_pkey;
                    ALTER INDEX requests_due RENAME TO requests_first_due;
                    ALTER INDEX requests_by_client RENAME TO requests_first_by_client;
                    ALTER INDEX requests_by_state RENAME TO requests_first_by_state;
                    CREATE TABLE requests (
                        LIKE requests_first INCLUDING DEFAULTS, CONSTRAINT requests_pkey PRIMARY KEY (id)
                    ) PARTITION BY RANGE (id);
                    CREATE INDEX requests_due ON requests (due_at) WHERE due_at IS NOT NULL;
                    CREATE INDEX requests_by_client ON requests (client_id, created_at);
                    CREATE INDEX requests_by_state ON requests (state, created_at);

                    ALTER TABLE events RENAME TO events_first;
                    ALTER INDEX events_pkey RENAME TO events_first_pkey;
                    ALTER INDEX events_pending RENAME TO events_first_pending;
                    ALTER INDEX events_by_leaf RENAME TO events_first_by_leaf;
                    CREATE TABLE events (
                        LIKE events_first INCLUDING DEFAULTS, CONSTRAINT events_pkey PRIMARY KEY (request_id, seq)
                    ) PARTITION BY RANGE (request_id);
                    CREATE INDEX events_pending ON events (request_id, seq) WHERE leaf IS NULL;

                    FOREACH name IN ARRAY ARRAY['requests', 'events'] LOOP
                        id := CASE name WHEN 'requests' THEN 'id' ELSE 'request_id' END;
                        EXECUTE format('CREATE TEMP TABLE later ON COMMIT DROP AS SELECT * FROM %I WHERE %I >= %L',
                            name || '_first', id, bound);
                        EXECUTE format('DELETE FROM %I WHERE %I >= %L', name || '_first', id, bound);
                        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)',
                            name, name || '_first', bound);
                        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT IF EXISTS before_month', name || '_first');
                        EXECUTE format('CREATE TABLE %I PARTITION OF %I DEFAULT', name || '_default', name);
                        EXECUTE format('INSERT INTO %I SELECT * FROM later', name);
                        DROP TABLE later;
                    END LOOP;
                    CREATE UNIQUE INDEX events_default_by_leaf ON events_default (leaf) WHERE leaf IS NOT NULL;
                END IF;
                EXIT;
            EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
                users := (@users@);
                IF try = 60 THEN
                    RAISE lock_not_available
                        USING MESSAGE = 'requests and events are used by ' || coalesce(users, 'others');
                ELSIF try % 10 = 1 THEN
                    RAISE WARNING 'requests and events are used by %: trying again', coalesce(users, 'others');
                END IF;
            END;
            COMMIT;
            PERFORM pg_sleep(2);
        END LOOP;
        COMMIT;
        FOR name IN SELECT conrelid::regclass FROM pg_constraint
            WHERE conname = 'before_month' AND conrelid IN ('requests'::regclass, 'events'::regclass)
        LOOP
            EXECUTE format('ALTER TABLE %s VALIDATE CONSTRAINT before_month', name);
        END LOOP;
        COMMIT;
    END LOOP;
END $$;
