-- The sessions of operators, who log in to the console by OpenID Connect.
CREATE TABLE operator_sessions (
    id       TEXT   PRIMARY KEY, -- SHA-256 of the cookie's secret, hex
    subject  TEXT   NOT NULL,    -- at the identity provider
    name     TEXT   NOT NULL,
    role     TEXT   NOT NULL,
    begun_at BIGINT NOT NULL,
    seen_at  BIGINT NOT NULL,    -- newest request, to the minute
    address  TEXT   NOT NULL,
    browser  TEXT   NOT NULL
) @clustered@;
