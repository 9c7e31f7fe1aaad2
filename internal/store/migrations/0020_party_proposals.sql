-- Changes of relying parties' URLs that wait for a second operator.
CREATE TABLE party_proposals (
    client_id    TEXT   PRIMARY KEY,
    version      BIGINT NOT NULL, -- of the party that it changes
    operator     TEXT   NOT NULL,
    subject      TEXT   NOT NULL, -- of the operator at the identity provider
    at           BIGINT NOT NULL,
    name         TEXT   NOT NULL,
    jwks_url     TEXT   NOT NULL,
    redirect_url TEXT   NOT NULL,
    webhook_url  TEXT   NOT NULL,
    allow_download    BIGINT NOT NULL,
    require_all_pages BIGINT NOT NULL
) @clustered@;
