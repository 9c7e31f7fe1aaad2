-- Calls of relying parties, see package calls. data holds the whole record; the other columns repeat what is searched for.
CREATE TABLE calls (
    id         @identity@,
    at         BIGINT NOT NULL,
    party      TEXT   NOT NULL, -- or empty, like request_id
    authentic  BIGINT NOT NULL, -- 0 or 1, like refused
    request_id TEXT   NOT NULL, -- of a request that need not exist
    kind       TEXT   NOT NULL,
    refused    BIGINT NOT NULL,
    data       TEXT   NOT NULL
);

CREATE INDEX calls_by_party ON calls (party, id, authentic);
CREATE INDEX calls_by_request ON calls (request_id, id, authentic);
CREATE INDEX calls_refused ON calls (refused, id);
CREATE INDEX calls_at ON calls (at);
