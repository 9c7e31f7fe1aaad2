-- active_at is when a phone may sign first; 0: since it was enrolled.
ALTER TABLE phones ADD COLUMN active_at BIGINT NOT NULL DEFAULT 0;

-- What became of a person's phones: enrolments, approvals, stops and removals.
CREATE TABLE phone_events (
    id       @identity@,
    uin      TEXT   NOT NULL,
    phone_id TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    kind     TEXT   NOT NULL,
    detail   TEXT   NOT NULL -- json object, or empty
);

CREATE INDEX phone_events_by_uin ON phone_events (uin, id);
