-- The console finds refused calls by their code. An older release that runs beside this one leaves the
-- code out, and its calls are found without it only.
ALTER TABLE calls ADD COLUMN code TEXT NOT NULL DEFAULT '';
UPDATE calls SET code = coalesce(data ->> '$.error', '') WHERE refused = 1;
CREATE INDEX calls_by_code ON calls (code, id) WHERE code <> '';
