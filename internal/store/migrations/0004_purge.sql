-- Requests whose documents, as far as they are not needed any more, are to be deleted from due_at on. It takes the place of jobs of the
-- kind "purge", which older versions leave in the outbox: what those were for is found by the sweep for strays.
-- @clustered@: such tables are small, and are read in the order of their key.
CREATE TABLE purges (
    due_at     BIGINT NOT NULL,
    request_id TEXT   NOT NULL,
    PRIMARY KEY (due_at, request_id)
) @clustered@;

DELETE FROM outbox WHERE kind = 'purge' AND status = 'pending';
