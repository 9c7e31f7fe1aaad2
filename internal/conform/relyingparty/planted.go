package relyingparty

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"
)

// Mistake is a mistake that [Planted] makes, and the rule that finds it.
type Mistake struct {
	Name string
	Rule string
	Also []string // further rules that find it
}

// Mistakes are all mistakes of [Planted].
var Mistakes = []Mistake{
	{"JWKS behind a redirect", "K1", []string{"C1", "T2"}},
	{"slow JWKS", "K1", []string{"C1", "T2"}},
	{"JWKS without use", "K2", nil},
	{"private key in the JWKS", "K3", nil},
	{"one kid for two keys", "K4", []string{"C1", "T2"}},
	{"key replaced without overlap", "K5", nil},
	{"key never rotated", "K5", nil},
	{"Bearer before the token", "T1", []string{"C1"}},
	{"signature in DER", "T2", []string{"C1"}},
	{"kid that is not published", "T2", []string{"C1"}},
	{"milliseconds for seconds", "T3", []string{"C1"}},
	{"exp too far ahead", "T4", []string{"C1"}},
	{"clock ahead", "T5", []string{"C1"}},
	{"jti is a number", "T6", []string{"C1"}},
	{"jti used for every call", "T7", nil},
	{"token used again on a retry", "T7", nil},
	{"exchange code in every token", "T8", nil},
	{"document sent as a form", "C1", nil},
	{"failed initiate taken for done", "C2", nil},
	{"cancel without a request id", "C3", nil},
	{"second answer of cancel taken for a failure", "C4", []string{"C11"}},
	{"cancel in a session taken for done", "C5", nil},
	{"polling too fast", "C6", nil},
	{"Retry-After ignored", "C7", nil},
	{"refused cancel taken for done", "C8", nil},
	{"failed cancel taken for done", "C9", nil},
	{"slow answer to webhooks", "W1", []string{"W11"}},
	{"no signature check", "W2", []string{"W3", "W5", "W6", "W7"}},
	{"expiry not checked", "W4", nil},
	{"alg none accepted", "W5", nil},
	{"public key taken for a secret", "W6", nil},
	{"key of the header trusted", "W7", nil},
	{"audience not checked", "W8", nil},
	{"webhooks not de-duplicated", "W9", []string{"W14"}},
	{"lost webhook not noticed", "W10", nil},
	{"service's keys never fetched again", "W11", nil},
	{"redirect trusted", "B1", []string{"W10"}},
	{"late download", "D1", nil},
	{"failed download taken for done", "D2", nil},
	{"document not checked", "D3", nil},

	{"bearer in lower case", "T1", []string{"C1"}},
	{"times in strings", "T3", []string{"C1"}},
	{"clock behind", "T5", []string{"C1"}},
	{"jti in braces", "T6", []string{"C1"}},
	{"key used before it is published", "K5", nil},
	{"token used again after a lost answer", "T7", nil},
	{"lost initiate taken for done", "C2", nil},
	{"cancel given up taken for done", "C5", nil},
	{"lost cancel taken for done", "C9", nil},
	{"signature of zeros accepted", "W2", nil},
	{"link followed before the check", "W2", []string{"W3"}},
	{"unknown kid accepted", "W3", nil},
	{"minutes of leeway for the expiry", "W4", nil},
	{"alg nOnE accepted", "W5", nil},
	{"doubled webhook refused", "W9", nil},
	{"webhooks de-duplicated after the download", "W9", nil},

	{"JWKS for encryption", "K2", []string{"C1"}},
	{"JWKS with another alg", "K2", []string{"C1"}},
	{"Retry-After of initiate ignored", "C10", nil},
	{"answers with further members refused", "C11", nil},
	{"description of a refusal read", "C11", nil},
	{"unknown request taken for cancelled", "C12", nil},
	{"request of webhooks not looked up", "W12", nil},
	{"download before the answer", "W13", nil},
	{"result and webhook both handled", "W14", nil},
	{"webhooks with further claims refused", "W15", nil},
	{"failed result taken for the end", "R1", nil},
	{"unsigned result taken for the end", "R2", nil},
	{"cancelled return taken for the end", "B2", nil},
	{"document in part stored", "D4", nil},
	{"failed download not made again", "D5", nil},
	{"link that is over tried again", "D5", nil},

	{"unavailable cancel taken for done", "C7", nil},
	{"Retry-After of the result ignored", "C7", nil},
	{"unavailable initiate taken for done", "C10", nil},
	{"webhooks behind a login", "W1", nil},
	{"webhooks de-duplicated by their token", "W9", []string{"W14"}},
	{"exchange code of the newest request", "W10", nil},
	{"first key of the service taken", "W11", nil},
	{"document checked by its length", "D3", nil},
}

// Planted is a relying party that follows every rule, except for one mistake. It keeps everything
// in memory.
type Planted struct {
	// URLs to register.
	JWKSURL, WebhookURL, RedirectURL string

	mistake string
	late    time.Duration // of a download that is late
	base    string        // of the API
	keysURL string
	id      string // client id
	pdf     []byte // the document that it uploads
	http    *http.Client
	server  *http.Server

	mu       sync.Mutex
	keys     []*ecdsa.PrivateKey // published; the first one signs
	coming   *ecdsa.PrivateKey   // signs, and is not published yet; nil for none
	jti      string              // that is used again
	requests map[string]*plantedRequest
	tokens   map[string]bool     // of webhooks
	code     string              // exchange code of the newest request
	service  *jose.JSONWebKeySet // nil before it is fetched
	working  sync.WaitGroup
}

type plantedRequest struct {
	exchangeCode string
	begun        bool // a download is under way or done
	over         bool // seems to have ended without a signature
	handled      int
}

// ErrNoMistake is the error of [Plant] for a name that no mistake has.
var ErrNoMistake = errors.New("there is no mistake")

// Plant returns a relying party with the client id and the mistake of a name; "" is none. late is
// how long its late download waits. [Planted.Use] tells it the service.
func Plant(mistake, clientID string, late time.Duration) (*Planted, error) {
	if mistake != "" &&
		!slices.ContainsFunc(Mistakes, func(m Mistake) bool { return m.Name == mistake }) {
		return nil, fmt.Errorf("%w %q", ErrNoMistake, mistake)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	p := &Planted{
		mistake: mistake, late: late, id: clientID, http: &http.Client{Timeout: 10 * time.Second},
		requests: map[string]*plantedRequest{}, tokens: map[string]bool{}, jti: uuid.NewString(),
	}
	for range 2 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, errors.Join(err, l.Close())
		}
		p.keys = append(p.keys, key)
	}
	url := "http://" + l.Addr().String()
	p.JWKSURL, p.WebhookURL, p.RedirectURL = url+"/jwks", url+"/webhook", url+"/back"
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks", p.jwks)
	mux.HandleFunc("GET /moved", p.jwks)
	mux.HandleFunc("POST /webhook", p.webhook)
	mux.HandleFunc("GET /back", p.back)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	p.working.Go(func() { _ = p.server.Serve(l) }) // until Close
	return p, nil
}

// Use sets the base of the API, the URL of its keys, and the document to upload, before the first
// call.
func (p *Planted) Use(base, keysURL string, pdf []byte) {
	p.base, p.keysURL, p.pdf = base, keysURL, pdf
}

// closeTime bounds how long Close waits for answers.
const closeTime = 10 * time.Second

// Close ends the server and waits for answers and downloads.
func (p *Planted) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	err := p.server.Shutdown(ctx) // handlers begin downloads, so that they end before Wait
	p.working.Wait()
	return err
}

func (p *Planted) makes(mistake string) bool { return p.mistake == mistake }
