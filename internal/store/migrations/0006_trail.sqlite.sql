-- The trail is read in the order of its key, and short: one tree is enough for it.
ALTER TABLE events RENAME TO old_events;

CREATE TABLE events (
    request_id TEXT   NOT NULL,
    seq        BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    detail     TEXT   NOT NULL, -- json object, or empty
    PRIMARY KEY (request_id, seq)
) WITHOUT ROWID;

INSERT INTO events SELECT request_id, seq, at, kind, detail FROM old_events ORDER BY request_id, seq;
DROP TABLE old_events;
