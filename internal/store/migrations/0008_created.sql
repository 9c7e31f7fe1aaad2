-- The database knows when it was created. One that exists already was there when its oldest request
-- was made. One without requests counts as new, and the program adds the time.
INSERT INTO meta (key, value)
    SELECT 'created_at', CAST(min(created_at) AS TEXT) FROM requests HAVING count(*) > 0;
