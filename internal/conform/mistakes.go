package conform

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
)

// Mistake is a mistake of a server, planted between the server and the judge: it changes the
// server's answers or webhooks. A judge that is worth its name finds it.
type Mistake struct {
	Name string
	Rule string // that must fail

	transport func(http.RoundTripper) http.RoundTripper // of the judge's calls; may be nil
	webhook   func(http.Handler) http.Handler           // of the receiver; may be nil
}

// Mistakes returns all planted mistakes, in the order of the files of their rules.
func Mistakes() []Mistake {
	return slices.Concat(
		tokenMistakes(), otherMistakes(), initiateMistakes(), documentMistakes(), signerMistakes(),
		resultMistakes(), cancelMistakes(), webhookMistakes(),
	)
}

// answers is a mistake in the answers of single calls.
func answers(name, rule string, change func(*exchange)) Mistake {
	return Mistake{name, rule, spoil(change), nil}
}

// lenient is the mistake to accept a refused call for which when holds.
func lenient(name, rule string, when func(*exchange) bool) Mistake {
	return answers(name, rule, accepts(when))
}

// strict is the mistake to refuse a call for which when holds.
func strict(name, rule string, when func(*exchange) bool) Mistake {
	return answers(name, rule, func(e *exchange) {
		if e.call != "" && e.call != "act" && when(e) {
			e.refuse(http.StatusBadRequest, api.CodeClientSide, "That is not allowed")
		}
	})
}

// remembers is a mistake that depends on earlier calls: state makes the function that changes the
// answers, one at a time.
func remembers(name, rule string, state func() func(*exchange)) Mistake {
	return Mistake{name, rule, func(next http.RoundTripper) http.RoundTripper {
		var mu sync.Mutex
		change := state()
		return spoil(func(e *exchange) {
			mu.Lock()
			defer mu.Unlock()
			change(e)
		})(next)
	}, nil}
}

// forgetful is a mistake that depends on the history of requests, which already has the exchange.
func forgetful(name, rule string, change func(*exchange, *history)) Mistake {
	return remembers(name, rule, func() func(*exchange) {
		h := &history{
			made: map[string]int{}, answered: map[string]int{}, aged: map[string]time.Duration{},
			links: map[string]string{},
		}
		return func(e *exchange) {
			h.note(e)
			change(e, h)
		}
	})
}
