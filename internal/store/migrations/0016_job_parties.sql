-- The relying party of a job, so that one with many jobs leaves room for the others. Older jobs, and those of a node of the version
-- before, have ''.
ALTER TABLE outbox ADD COLUMN client_id TEXT NOT NULL DEFAULT '';
CREATE INDEX outbox_by_party ON outbox (kind, client_id, ready_at) WHERE status = 'pending' AND kind <> 'purge';
