-- The phone's WebAuthn credential, by which its owner is verified for each signature, as json; empty: none.
ALTER TABLE phones ADD COLUMN credential TEXT NOT NULL DEFAULT '';
