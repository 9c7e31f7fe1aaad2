-- The place of an event in the audit log; NULL until it is integrated. nth numbers the events of a request from 1 without gaps.
ALTER TABLE events ADD COLUMN leaf BIGINT;
ALTER TABLE events ADD COLUMN nth BIGINT;
CREATE INDEX events_pending ON events (request_id, seq) WHERE leaf IS NULL;
CREATE UNIQUE INDEX events_by_leaf ON events (leaf) WHERE leaf IS NOT NULL;

-- The hashes of the log's tree, by the stored index of golang.org/x/mod/sumdb/tlog.
CREATE TABLE audit_hashes (
    id   BIGINT PRIMARY KEY,
    hash TEXT   NOT NULL -- base64
);

CREATE TABLE audit_checkpoints (
    size BIGINT PRIMARY KEY, -- leaves of the tree
    note TEXT   NOT NULL     -- C2SP tlog-checkpoint
);

-- Who integrates events locks the row.
INSERT INTO meta (key, value) VALUES ('audit_size', '0');
