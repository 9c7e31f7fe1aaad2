-- Purges are jobs of the outbox.
INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error)
SELECT request_id, 'purge', 'pending', 0, due_at, due_at, 0, '', '' FROM purges ORDER BY due_at;
DROP TABLE purges;
