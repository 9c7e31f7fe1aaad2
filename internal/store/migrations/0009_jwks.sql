-- The keys that were last fetched of each party, so that a node that starts while the party's endpoint
-- is down can use them for what is left of their hour.
CREATE TABLE party_jwks (
    client_id  TEXT   PRIMARY KEY,
    url        TEXT   NOT NULL, -- that they were fetched from
    epoch      BIGINT NOT NULL, -- party_keys.epoch of that time
    jwks       TEXT   NOT NULL, -- the usable keys, as a JWK set
    fetched_at BIGINT NOT NULL
);
