-- Whether a party's signers may save the document before they sign it, and whether they must see every page: 0 or 1.
ALTER TABLE parties ADD COLUMN allow_download BIGINT NOT NULL DEFAULT 0;
ALTER TABLE parties ADD COLUMN require_all_pages BIGINT NOT NULL DEFAULT 0;
