-- The files of the keys and of the authority, if the nodes share no folder. Private keys and secrets are
-- encrypted under a key that is not in the database.
CREATE TABLE key_files (
    folder     TEXT   NOT NULL, -- "keys" or "authority"
    name       TEXT   NOT NULL,
    content    TEXT   NOT NULL, -- in base64
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (folder, name)
) @clustered@;
