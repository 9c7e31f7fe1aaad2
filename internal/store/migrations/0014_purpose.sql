-- What a token was used for, if its call may be repeated with it; '' if it may not.
ALTER TABLE used_tokens ADD COLUMN purpose TEXT NOT NULL DEFAULT '';
