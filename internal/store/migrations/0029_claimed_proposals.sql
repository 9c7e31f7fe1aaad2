-- Until when an approved proposal is being carried out; 0: no one has approved it.
ALTER TABLE person_proposals ADD COLUMN claimed_until BIGINT NOT NULL DEFAULT 0;
