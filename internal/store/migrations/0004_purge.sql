-- When the documents that a request does not need are to be deleted; NULL: not at all. It takes the place of jobs of the kind
-- "purge", which older versions leave in the outbox and which nobody does any more.
ALTER TABLE requests ADD COLUMN purge_at BIGINT;

CREATE INDEX requests_purge ON requests (purge_at) WHERE purge_at IS NOT NULL;

-- Their requests are over, and what they still have stored is found by the sweep for strays.
DELETE FROM outbox WHERE kind = 'purge' AND status = 'pending';
