-- Partitions are for PostgreSQL.
SELECT 1;
