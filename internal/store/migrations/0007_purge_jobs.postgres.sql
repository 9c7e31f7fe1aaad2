-- Purges are jobs of the outbox. The table stays, because a node of the version before adds to it until it is replaced; what such
-- rows are for, the sweep for strays finds.
INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error)
SELECT request_id, 'purge', 'pending', 0, due_at, due_at, 0, '', '' FROM purges ORDER BY due_at;
DELETE FROM purges;
