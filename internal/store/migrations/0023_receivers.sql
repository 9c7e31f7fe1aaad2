-- Whether failed webhooks of a party are tried after the contract's attempts: 0 or 1.
ALTER TABLE parties ADD COLUMN webhook_ladder BIGINT NOT NULL DEFAULT 0;
ALTER TABLE party_proposals ADD COLUMN webhook_ladder BIGINT NOT NULL DEFAULT 0;

-- Receivers of webhooks that have failed since they last accepted one.
CREATE TABLE receivers (
    client_id  TEXT   PRIMARY KEY,
    failures   BIGINT NOT NULL, -- in a row
    since      BIGINT NOT NULL, -- the first
    last       BIGINT NOT NULL, -- the latest
    held_until BIGINT NOT NULL, -- no webhook is claimed before, and then one; 0: all are
    paused_at  BIGINT NOT NULL
) @clustered@;
