package conform

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// webhookMistakes are about the rules of webhooks and of the keys that verify them: 7 and 8.2.1.
func webhookMistakes() []Mistake {
	hooks := func(name, rule string, change func(*webhook)) Mistake {
		return Mistake{name, rule, nil, spoilWebhook(change)}
	}
	return []Mistake{
		hooks("never-sends-webhooks", "7.1.1", func(w *webhook) { w.drop = true }),
		sendsFor("sends-a-webhook-for-a-rejection", "7.1.1", func(e *exchange) bool {
			return e.call == "act" && e.step() == "reject"
		}),
		sendsFor("sends-a-webhook-for-an-opening", "7.1.1", func(e *exchange) bool {
			return e.call == "act" && e.step() == "open"
		}),
		{"puts-by-put", "7.1.1", nil, delivers(func(d *delivery) {
			d.r.Method = http.MethodPut
			d.pass()
		})},
		hooks("writes-Token", "7.1.2", func(w *webhook) { w.member = "Token" }),
		{"sends-form-data", "7.1.2", nil, delivers(func(d *delivery) {
			d.r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			d.pass()
		})},
		{"sends-a-bearer-token", "7.1.2", nil, delivers(func(d *delivery) {
			d.r.Header.Set("Authorization", "Bearer secret")
			d.pass()
		})},
		{"sends-accepted-webhooks-again", "7.1.3", nil, sendsTwice},
		{"takes-only-200-for-an-answer", "7.1.3", nil, delivers(func(d *delivery) {
			if status := d.send(); status != http.StatusOK {
				status = http.StatusInternalServerError
				d.answer(status)
				return
			}
			d.answer(http.StatusOK)
		})},
		{"takes-only-202-and-204-for-answers", "7.1.3", nil, delivers(func(d *delivery) {
			status := d.send()
			if status != http.StatusAccepted && status != http.StatusNoContent {
				status = http.StatusInternalServerError
			}
			d.answer(status)
		})},
		{"gives-up-after-a-second", "7.1.3", nil, delivers(func(d *delivery) {
			begun, status := time.Now(), d.send()
			if time.Since(begun) > time.Second {
				status = http.StatusGatewayTimeout
			}
			d.answer(status)
		})},
		{"waits-for-answers-for-five-seconds", "7.1.3", nil, delivers(func(d *delivery) {
			done := make(chan int, 1)
			go func() { done <- d.send() }()
			select {
			case status := <-done:
				d.answer(status)
			case <-time.After(1500 * time.Millisecond):
				d.answer(http.StatusNoContent)
			}
		})},
		{"sends-two-outcomes", "7.1.3", nil, delivers(func(d *delivery) {
			status := d.send()
			claims := claimsOf(d.hook.Token)
			claims["request_type"] = json.RawMessage(`"cancelled"`)
			d.hook.Token, _ = resigned(d.hook.Token, claims)
			d.send()
			d.answer(status)
		})},
		hooks("tries-once", "7.1.4", func(w *webhook) { w.drop = w.attempt > 0 }),
		{"doubles-the-pauses", "7.1.4", nil, delivers(func(d *delivery) {
			if d.attempt < 2 {
				d.answer(d.send())
				return
			}
			d.answer(http.StatusInternalServerError) // and sends it later
			d.later(2 * time.Second)
		})},
		{"adds-a-second-to-each-pause", "7.1.4", nil, delivers(func(d *delivery) {
			if d.attempt < 2 {
				d.answer(d.send())
				return
			}
			d.answer(http.StatusInternalServerError)
			d.later(time.Second)
		})},
		{"tries-four-times", "7.1.4", nil, delivers(func(d *delivery) {
			status := d.send()
			d.answer(status)
			if d.attempt == 2 && status >= 300 {
				d.later(4 * time.Second)
			}
		})},
		{"does-not-try-again-after-a-404", "7.1.4", nil, stopsAfter(http.StatusNotFound)},
		{
			"does-not-try-again-after-a-redirect", "7.1.4", nil,
			stopsAfter(http.StatusTemporaryRedirect),
		},
		{"does-not-try-again-after-no-answer", "7.1.4", nil, stopsAfter(0)},
		{"follows-redirects", "7.1.5", nil, followsRedirects},
		hooks("renews-the-token-of-each-attempt", "7.1.5", func(w *webhook) {
			w.sign = w.attempt > 0
		}),
		sendsEarly(),
		hooks("signs-with-another-key", "7.2.1", func(w *webhook) { w.sign = true }),
		hooks("adds-a-claim", "7.2.2", func(w *webhook) {
			w.claims["status"], w.sign = json.RawMessage(`"signed"`), true
		}),
		hooks("names-no-signer", "7.2.2", func(w *webhook) {
			w.claims["signer_info"], w.sign = json.RawMessage("{}"), true
		}),
		hooks("names-another-signer", "7.2.2", func(w *webhook) {
			w.claims["signer_info"] = bytes.Replace(
				w.claims["signer_info"], []byte(`"signer_name":"`), []byte(`"signer_name":"X`), 1,
			)
			w.sign = true
		}),
		hooks("calls-the-type-signed_doc", "7.2.2", func(w *webhook) {
			w.claims["request_type"], w.sign = json.RawMessage(`"signed_doc"`), true
		}),
		hooks("sends-milliseconds", "7.2.3", func(w *webhook) {
			for _, name := range []string{"iat", "exp"} {
				w.claims[name] = append(bytes.Clone(w.claims[name]), "000"...)
			}
			w.sign = true
		}),
		hooks("sends-tokens-for-ten-minutes", "7.2.3", func(w *webhook) {
			w.claims["exp"] = json.RawMessage("9" + string(w.claims["exp"][1:]))
			w.sign = true
		}),
		hooks("sends-a-link-that-does-not-work", "7.2.3", func(w *webhook) {
			w.claims["signed_doc_url"] = bytes.Replace(
				w.claims["signed_doc_url"], []byte("signature="), []byte("signature=x"), 1,
			)
			w.sign = true
		}),
		answers("publishes-keys-without-use", "8.2.1", func(e *exchange) {
			e.body = bytes.ReplaceAll(e.body, []byte(`"use":"sig",`), nil)
		}),
		answers("publishes-one-kid-twice", "8.2.1", func(e *exchange) {
			if at := bytes.Index(e.body, []byte(`{"use"`)); e.call == "" && at > 0 {
				end := bytes.LastIndexByte(e.body, ']')
				first := e.body[at : at+bytes.IndexByte(e.body[at:], '}')+1]
				e.body = bytes.Join([][]byte{
					e.body[:end], append([]byte(","), first...),
					e.body[end:],
				}, nil)
			}
		}),
		answers("publishes-private-keys", "8.2.1", func(e *exchange) {
			secret := `"kty":"EC","d":"` + strings.Repeat("AQ", 21) + `E"`
			e.body = bytes.ReplaceAll(e.body, []byte(`"kty":"EC"`), []byte(secret))
		}),
		answers("publishes-keys-on-p-384", "8.2.1", func(e *exchange) {
			e.body = bytes.ReplaceAll(e.body, []byte(`"P-256"`), []byte(`"P-384"`))
		}),
		answers("publishes-keys-in-text", "8.2.1", func(e *exchange) {
			if strings.HasSuffix(e.request.URL.Path, api.PathKeys) {
				e.header.Set("Content-Type", "text/plain")
			}
		}),
	}
}

// webhook is a webhook that a mistake changes before the receiver sees it.
type webhook struct {
	claims  map[string]json.RawMessage
	member  string // of the body that holds the token
	attempt int    // how many came before with this token
	drop    bool   // it never arrives
	sign    bool   // with a key that the server does not publish
}

// spoilWebhook changes each webhook.
func spoilWebhook(change func(*webhook)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var mu sync.Mutex
		attempts := map[string]int{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var in api.Webhook
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			hook := &webhook{claims: claimsOf(in.Token), member: "token"}
			mu.Lock()
			hook.attempt = attempts[in.Token]
			attempts[in.Token]++
			mu.Unlock()
			change(hook)
			if hook.drop {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			if hook.sign {
				signed, err := resigned(in.Token, hook.claims)
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				in.Token = signed
			}
			body, _ := json.Marshal(map[string]string{hook.member: in.Token})
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
	}
}

// resigned signs claims with a new key under the kid of a token.
func resigned(compact string, claims map[string]json.RawMessage) (string, error) {
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", err
	}
	key, err := client.GenerateKey()
	if err != nil {
		return "", err
	}
	key.ID = jws.Signatures[0].Protected.KeyID
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	c := call{
		key: key, jose: map[jose.HeaderKey]any{jose.HeaderType: "JWT"},
		payload: func([]byte) []byte { return payload },
	}
	return c.compact()
}

// delivery is an attempt of a webhook on its way to the receiver.
type delivery struct {
	attempt int // of this request's webhook, from 0
	hook    api.Webhook
	r       *http.Request
	w       http.ResponseWriter
	next    http.Handler
}

// pass lets the receiver answer.
func (d *delivery) pass() { d.answer(d.send()) }

// send gives the webhook to the receiver and returns the status, or 0 if it does not answer.
func (d *delivery) send() (status int) {
	body, _ := json.Marshal(d.hook)
	r := d.r.Clone(d.r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	defer func() {
		if recover() != nil { // the receiver closes the connection
			status = 0
		}
	}()
	to := &unsent{header: d.w.Header(), status: http.StatusOK}
	d.next.ServeHTTP(to, r)
	return to.status
}

// later gives the webhook to the receiver after a time.
func (d *delivery) later(pause time.Duration) {
	copied := *d
	copied.w = &unsent{header: http.Header{}}
	time.AfterFunc(pause, func() { copied.send() })
}

// answer is what the server sees.
func (d *delivery) answer(status int) {
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	d.w.WriteHeader(status)
}

// delivers lets a mistake deliver each webhook.
func delivers(deliver func(*delivery)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var mu sync.Mutex
		attempts := map[string]int{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			d := &delivery{w: w, r: r, next: next}
			if json.NewDecoder(r.Body).Decode(&d.hook) != nil {
				w.WriteHeader(http.StatusBadRequest)
				return
			}
			id := text(claimsOf(d.hook.Token)["request_id"])
			mu.Lock()
			d.attempt = attempts[id]
			attempts[id]++
			mu.Unlock()
			deliver(d)
		})
	}
}

// stopsAfter makes no further attempt after an answer with this status; 0 is no answer.
func stopsAfter(status int) func(http.Handler) http.Handler {
	var mu sync.Mutex
	over := map[string]bool{}
	return delivers(func(d *delivery) {
		mu.Lock()
		stop := over[d.hook.Token]
		mu.Unlock()
		if stop {
			d.answer(http.StatusNoContent)
			return
		}
		got := d.send()
		mu.Lock()
		over[d.hook.Token] = got == status
		mu.Unlock()
		d.answer(got)
	})
}

// sendsFor sends a webhook after calls for which when holds.
func sendsFor(name, rule string, when func(*exchange) bool) Mistake {
	var mu sync.Mutex
	var receiver http.Handler
	return Mistake{
		name, rule, spoil(func(e *exchange) {
			mu.Lock()
			defer mu.Unlock()
			if !when(e) || receiver == nil {
				return
			}
			claims, _ := json.Marshal(map[string]string{"request_id": e.requestID()})
			body, _ := json.Marshal(api.Webhook{Token: "e30." + segment(claims) + ".AA"})
			r, err := http.NewRequestWithContext(
				e.request.Context(), http.MethodPost, "/webhook", bytes.NewReader(body),
			)
			if err == nil {
				receiver.ServeHTTP(&unsent{header: http.Header{}}, r)
			}
		}), func(next http.Handler) http.Handler {
			mu.Lock()
			defer mu.Unlock()
			receiver = next
			return next
		},
	}
}

// sendsEarly sends the webhook before the document is sealed: the result comes later.
func sendsEarly() Mistake {
	var mu sync.Mutex
	sending := map[string]bool{}
	return Mistake{
		"sends-webhooks-before-sealing", "7.1.6", spoil(func(e *exchange) {
			mu.Lock()
			defer mu.Unlock()
			if e.call == "result" && sending[e.requestID()] {
				e.refuse(http.StatusBadRequest, api.CodeNotSigned, api.ErrNotSigned.Description)
			}
		}), delivers(func(d *delivery) {
			id := text(claimsOf(d.hook.Token)["request_id"])
			set := func(to bool) {
				mu.Lock()
				defer mu.Unlock()
				sending[id] = to
			}
			set(true)
			status := d.send()
			set(false)
			d.answer(status)
		}),
	}
}

// sendsTwice sends each webhook a second time.
func sendsTwice(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for _, to := range []http.ResponseWriter{w, &unsent{header: http.Header{}}} {
			r.Body = io.NopCloser(bytes.NewReader(text))
			next.ServeHTTP(to, r)
		}
	})
}

// followsRedirects follows the redirects that the receiver answers with.
func followsRedirects(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		answer := &unsent{header: http.Header{}}
		next.ServeHTTP(answer, r)
		if to := answer.header.Get("Location"); to != "" {
			r.URL.Path, r.Body = to, io.NopCloser(bytes.NewReader(text))
			next.ServeHTTP(answer, r)
		}
		w.WriteHeader(answer.status)
	})
}

// unsent is an answer that the server does not see.
type unsent struct {
	header http.Header
	status int
}

func (u *unsent) Header() http.Header         { return u.header }
func (u *unsent) WriteHeader(status int)      { u.status = status }
func (u *unsent) Write(p []byte) (int, error) { return len(p), nil }
