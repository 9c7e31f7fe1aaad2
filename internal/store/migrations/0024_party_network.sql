-- Whether a party's URLs may be http and private: 0 or 1. Certificates in PEM that are trusted for
-- them; empty: the system's.
ALTER TABLE parties ADD COLUMN allow_private BIGINT NOT NULL DEFAULT 0;
ALTER TABLE parties ADD COLUMN ca TEXT NOT NULL DEFAULT '';
ALTER TABLE party_proposals ADD COLUMN allow_private BIGINT NOT NULL DEFAULT 0;
ALTER TABLE party_proposals ADD COLUMN ca TEXT NOT NULL DEFAULT '';
