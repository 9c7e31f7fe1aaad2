-- For the console's list of webhooks that were not delivered.
CREATE INDEX outbox_failed ON outbox (kind, id) WHERE status = 'failed';
