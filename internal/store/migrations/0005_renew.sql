-- Documents that were signed before renewals were planned get their job now; it finds out when it is due.
INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error)
SELECT id, 'renew', 'pending', 0, 0, 0, 0, '', '' FROM requests WHERE state = 'signed';
