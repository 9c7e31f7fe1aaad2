package relyingparty

import "context"

// rule is something that a relying party has to do. Its title names the rule of docs/contract.md
// that it follows from.
type rule struct{ id, basis, title string }

// called reports whether name is the rule's id or its letter.
func (r rule) called(name string) bool { return r.id == name || r.id[:1] == name }

// The bases of rules, as in docs/contract.md.
const (
	page     = "page"
	observed = "observed"
	decided  = "decided"
)

// rules are all rules in the order of the report.
var rules = []rule{
	{
		"K1", page,
		"the JWKS is there within 3 s, without a redirect, in at most 64 KiB (8.1.5, 8.1.7)",
	},
	{"K2", page, "each key of the JWKS has use sig, and no alg of another curve (8.1.2)"},
	{"K3", decided, "the JWKS holds no private key (8.1.3)"},
	{"K4", page, "each key of the JWKS has a kid of its own (8.1.1, 8.1.4)"},
	{"K5", page, "a new key is published beside the one before it (8.1.6)"},

	{"T1", page, "Authorization holds the token alone, without Bearer (2.1.1, 2.1.2)"},
	{"T2", page, "tokens are signed by a key of the JWKS: alg, kid, r and s of fixed length (2.2)"},
	{"T3", page, "iat and exp are seconds (2.3.4)"},
	{"T4", page, "exp is at most 120 s after iat (2.3.2)"},
	{"T5", decided, "the clock is right: iat is not ahead, exp not over (2.3.3)"},
	{"T6", page, "jti is a UUID (2.3.5)"},
	{
		"T7", page,
		"each initiate, and each result call, has a token of its own, tried again or not (2.3.5)",
	},
	{"T8", observed, "the exchange code is in tokens of result calls only (2.4.3)"},

	{"C1", page, "initiate is accepted (3)"},
	{"C2", page, "an initiate that failed is tried again or reported (2.5.4)"},
	{"C3", page, "a cancel is accepted and reported (6.2.1)"},
	{
		"C4", page,
		"a cancel whose answer was lost succeeds: the second answer is no failure (6.2.4)",
	},
	{"C5", page, "a cancel during a sign session is not taken for done (6.2.2)"},
	{"C6", decided, "a refused cancel is tried again at most once a second (6.2.2)"},
	{"C7", decided, "a call is not tried again before Retry-After (2.5.6)"},
	{"C8", page, "the cancel of a signed document is reported as failed (6.2.3)"},
	{"C9", page, "a cancel that was answered 500 is not taken for done (2.5.4)"},
	{"C10", decided, "an initiate is not tried again before Retry-After (2.5.6)"},
	{
		"C11", decided,
		"further members of an answer are ignored, and descriptions not decided by (2.5.5)",
	},
	{"C12", page, "the cancel of an unknown request is reported as failed (6.2.5)"},

	{"W1", page, "a webhook is answered 2xx within 2 s (7.1.3)"},
	{"W2", page, "a webhook with a changed claim is refused (7.2.1)"},
	{"W3", page, "a webhook that another key has signed is refused (7.2.1)"},
	{"W4", page, "a webhook that has expired is refused (7.2.3)"},
	{"W5", page, "a webhook with alg none is refused (7.2.1)"},
	{"W6", page, "a webhook that is signed with the public key as a secret is refused (7.2.1)"},
	{"W7", page, "a key in the header of a webhook is not used (7.2.1)"},
	{"W8", decided, "a webhook for another audience is refused (7.2.4)"},
	{"W9", decided, "a webhook that comes twice is handled once (7.1.7)"},
	{"W10", page, "the result is asked for when the webhook is lost (5, 7.1.4)"},
	{"W11", page, "a webhook that a new key of the service has signed is accepted (8.2.2)"},

	{"W12", decided, "a webhook for a request that the party did not make is ignored (7.1.7)"},
	{"W13", page, "a webhook is answered within 2 s when the download is slow (7.1.3)"},
	{"W14", decided, "a document is handled once when webhook and result both have it (7.1.7)"},
	{"W15", decided, "a further claim of a webhook is ignored (2.5.5)"},

	{"R1", page, "the result is asked for again after a call that was answered 500 (2.5.4)"},
	{"R2", page, "DOCUMENT_NOT_SIGNED is not taken for the end (5.3.1)"},

	{"B1", page, "the parameters of the redirect are not believed (4.4.4)"},
	{"B2", page, "a return with status cancelled is not taken for the end (4.4.4)"},

	{"D1", page, "the document is downloaded within two minutes (5.2.3)"},
	{"D2", page, "a request whose download failed is not taken for done (5.4.2)"},
	{
		"D3", observed,
		"a document that does not begin with the uploaded bytes is not stored (4.5.1)",
	},
	{"D4", page, "a document that arrives in part is not stored (5.4.1)"},
	{"D5", page, "a failed download is made again, with another link if need be (5.2.3)"},
}

// scenario is a series of events for the relying party, and the rules that are judged by it.
type scenario struct {
	rules []string
	run   func(ctx context.Context, j *judge) ([]finding, error) // a finding for each rule
}

// phases returns all scenarios. Those of one phase run together.
func phases() [][]scenario {
	cancels := []scenario{
		{[]string{"C3"}, cancelOnce},
		{[]string{"C4"}, cancelLost},
		{[]string{"C5", "C6"}, cancelInSession},
		{[]string{"C7"}, retried},
		{[]string{"C8"}, cancelSigned},
		{[]string{"C9"}, cancelFailing},
		{[]string{"C12"}, cancelUnknown},
		{[]string{"W1"}, webhookInTime},
		{[]string{"W9"}, webhookTwice},
	}
	for _, a := range attacks {
		cancels = append(cancels, scenario{[]string{a.rule}, a.run})
	}
	documents := []scenario{
		{[]string{"W10"}, webhookLost},
		{[]string{"B1"}, redirectForged},
		{[]string{"D2"}, downloadExpired},
		{[]string{"D3"}, downloadDamaged},
		{[]string{"D4"}, downloadCut},
		{[]string{"D5"}, downloadAgain},
		{[]string{"W13"}, webhookSlowDownload},
		{[]string{"W14"}, webhookAndResult},
		{[]string{"W15"}, webhookExtended},
		{[]string{"R1"}, resultFailing},
		{[]string{"R2"}, resultEarly},
		{[]string{"B2"}, redirectCancelled},
	}
	return [][]scenario{
		{{[]string{"K1", "K2", "K3", "K4"}, keys}},
		{{[]string{"C1"}, initiateOnce}},
		{{[]string{"C2"}, initiateFailing}},
		{{[]string{"C10"}, initiateUnavailable}},
		{{[]string{"C11"}, answersExtended}},
		cancels,
		documents,
		{{[]string{"W11"}, webhookNewKey}},
		{{[]string{"K5"}, keysRotated}},
		{{[]string{"T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8"}, tokens}},
		{{[]string{"D1"}, downloadLate}}, // moves the clock
	}
}
