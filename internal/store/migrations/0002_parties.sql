-- Relying parties that operators manage.
CREATE TABLE parties (
    client_id    TEXT   PRIMARY KEY,
    version      BIGINT NOT NULL,
    name         TEXT   NOT NULL,
    jwks_url     TEXT   NOT NULL,
    redirect_url TEXT   NOT NULL,
    webhook_url  TEXT   NOT NULL,
    disabled     BIGINT NOT NULL, -- 0 or 1
    logo         TEXT   NOT NULL, -- name of the picture; empty: none
    picture      TEXT   NOT NULL, -- PNG in base64
    created_at   BIGINT NOT NULL,
    changed_at   BIGINT NOT NULL
);

CREATE INDEX parties_by_logo ON parties (logo) WHERE logo <> '';

-- How often operators renewed the keys of a party, also of one that is in the configuration.
CREATE TABLE party_keys (
    client_id TEXT   PRIMARY KEY,
    epoch     BIGINT NOT NULL
);

-- What operators did. It outlives the party.
CREATE TABLE party_changes (
    id        @identity@,
    client_id TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    operator  TEXT   NOT NULL,
    kind      TEXT   NOT NULL,
    edits     TEXT   NOT NULL -- json array, or empty
);

CREATE INDEX party_changes_by_client ON party_changes (client_id, id);
