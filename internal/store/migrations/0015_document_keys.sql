-- The keys of encrypted documents, each wrapped under a key of the deployment. Deleting the row deletes the
-- document wherever there are copies of its file.
CREATE TABLE document_keys (
    request_id TEXT   NOT NULL,
    name       TEXT   NOT NULL, -- of the document
    id         TEXT   NOT NULL, -- stands in the file
    wrapped_by TEXT   NOT NULL, -- name of the wrapping key
    wrapped    TEXT   NOT NULL, -- base64
    created_at BIGINT NOT NULL,
    PRIMARY KEY (request_id, name, id)
) @clustered@;

CREATE INDEX document_keys_by_wrapping ON document_keys (wrapped_by, request_id, name, id);

-- A database that is made now encrypts documents unless it is configured otherwise.
INSERT INTO meta (key, value)
    SELECT 'deployment.encrypt_documents', 'true' WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'kind');
