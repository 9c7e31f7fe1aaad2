-- A database that is made now gets the identity of its deployment at its birth; '' is none yet. One without
-- the row is of a release without identities.
INSERT INTO meta (key, value)
    SELECT 'deployment', '' WHERE NOT EXISTS (SELECT 1 FROM meta WHERE key = 'kind');
