-- What an admin proposes for a person, with console_four_eyes, until another one decides.
CREATE TABLE person_proposals (
    id       TEXT   PRIMARY KEY,
    uin      TEXT   NOT NULL,
    act      TEXT   NOT NULL,
    phone_id TEXT   NOT NULL, -- empty unless the act is for a phone
    reason   TEXT   NOT NULL,
    operator TEXT   NOT NULL,
    subject  TEXT   NOT NULL,
    at       BIGINT NOT NULL
) @clustered@;
