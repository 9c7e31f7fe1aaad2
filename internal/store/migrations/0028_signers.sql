-- Requests are found by the person who is meant to sign, or who signs. An index has no number of a
-- person: the one by signer has its last four characters, as a certificate does. A quotation mark in
-- a text of data is escaped, so what is looked for in data is a member. To look at data as text takes
-- less than to parse it, for each change of a request, and fails for no text.
CREATE INDEX requests_by_signer_hash ON requests (substr(data, @position@(data, '"signer_hash":"') + 15, 64))
    WHERE @position@(data, '"signer_hash":"') > 0;
CREATE INDEX requests_by_signer ON requests (substr(data, @position@(data, '"uin":"') + 12, 4))
    WHERE @position@(data, '"uin":"') > 0;
