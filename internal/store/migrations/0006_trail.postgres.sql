-- Whoever writes a line of the trail or a job holds the request's row, and requests are never deleted. So the look-up that a foreign
-- key makes for each of them finds nothing out, and takes a seventh of the server's work for a cancel.
ALTER TABLE events DROP CONSTRAINT IF EXISTS events_request_id_fkey;
ALTER TABLE outbox DROP CONSTRAINT IF EXISTS outbox_request_id_fkey;
