-- Why a phone was revoked (CRLReason of RFC 5280); until now the reason was always keyCompromise.
ALTER TABLE phones ADD COLUMN revoked_reason BIGINT NOT NULL DEFAULT 1;

-- The certificates that the authority has issued. The audit log has an event for each, in the trail of its phone
-- ('phone/' and the id) or in its own ('certificate/' and the serial number).
CREATE TABLE certificates (
    serial    TEXT   PRIMARY KEY, -- lower-case hex
    kind      TEXT   NOT NULL,    -- what the certificate is for: signer, issuing, ocsp, tsa
    sha256    TEXT   NOT NULL,    -- of the DER, lower-case hex
    issued_at BIGINT NOT NULL
);

CREATE INDEX certificates_by_time ON certificates (issued_at, serial);
