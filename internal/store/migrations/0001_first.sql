-- Times are microseconds since 1970, 0 means none; json is TEXT. @identity@ is the dialect's word for a row number.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

-- data holds the whole request; the other columns repeat what is searched for.
CREATE TABLE requests (
    id         TEXT   PRIMARY KEY,
    client_id  TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    version    BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    due_at     BIGINT, -- when time acts on it next; NULL: never
    data       TEXT   NOT NULL
);

CREATE INDEX requests_due ON requests (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX requests_by_client ON requests (client_id, created_at);
CREATE INDEX requests_by_state ON requests (state, created_at);

CREATE TABLE events (
    request_id TEXT   NOT NULL REFERENCES requests (id),
    seq        BIGINT NOT NULL,
    at         BIGINT NOT NULL,
    kind       TEXT   NOT NULL,
    detail     TEXT   NOT NULL, -- json object, or empty
    PRIMARY KEY (request_id, seq)
);

-- ready_at is when the job may be claimed: due_at, or the end of its lease. lease tells one claim from the next; 0: none.
CREATE TABLE outbox (
    id         @identity@,
    request_id TEXT   NOT NULL REFERENCES requests (id),
    kind       TEXT   NOT NULL,
    status     TEXT   NOT NULL,
    attempts   BIGINT NOT NULL,
    due_at     BIGINT NOT NULL,
    ready_at   BIGINT NOT NULL,
    lease      BIGINT NOT NULL,
    payload    TEXT   NOT NULL,
    last_error TEXT   NOT NULL
);

CREATE INDEX outbox_ready ON outbox (kind, ready_at) WHERE status = 'pending';
CREATE INDEX outbox_by_request ON outbox (request_id);

CREATE TABLE phones (
    id          TEXT   PRIMARY KEY,
    uin         TEXT   NOT NULL,
    serial      TEXT   NOT NULL UNIQUE,
    name        TEXT   NOT NULL,
    certificate TEXT   NOT NULL, -- DER in base64
    enrolled_at BIGINT NOT NULL,
    revoked_at  BIGINT NOT NULL
);

CREATE INDEX phones_by_uin ON phones (uin, enrolled_at);
CREATE INDEX phones_revoked ON phones (revoked_at) WHERE revoked_at <> 0;

-- The ids of tokens that were used, kept until nobody would take the token any more.
CREATE TABLE used_tokens (
    client_id  TEXT   NOT NULL,
    jti        TEXT   NOT NULL,
    keep_until BIGINT NOT NULL,
    PRIMARY KEY (client_id, jti)
);

CREATE INDEX used_tokens_until ON used_tokens (keep_until);
