package apitest

import (
	"bytes"
	"io"
	"net/http"
	"sync"
)

// Transport makes calls through next (nil: http.DefaultTransport) and reports what is wrong with
// those that the document covers. report is called before the caller has the answer, with nil for
// an exchange that is right; it must be safe for concurrent use.
func (d *Document) Transport(
	next http.RoundTripper, report func(*http.Request, error),
) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	return &transport{d, next, report}
}

type transport struct {
	document *Document
	next     http.RoundTripper
	report   func(*http.Request, error)
}

func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !t.document.Covers(r) {
		return t.next.RoundTrip(r)
	}
	var sent lockedBuffer
	out := r
	if r.Body != nil && r.Body != http.NoBody {
		out = r.Clone(r.Context())
		out.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &sent), r.Body}
	}
	resp, err := t.next.RoundTrip(out)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	if err != nil {
		resp.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), failing{err}))
		return resp, nil
	}
	resp.Body = io.NopCloser(bytes.NewReader(body))
	t.report(r, t.document.Check(Exchange{
		Request: r, RequestBody: sent.copy(), Status: resp.StatusCode, Header: resp.Header,
		ResponseBody: body,
	}))
	return resp, nil
}

// lockedBuffer is for request bodies: a transport may still send when the answer is there.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) copy() []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return bytes.Clone(b.buf.Bytes())
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// Handler serves with next and reports what is wrong with the exchanges that the document covers,
// like [Document.Transport]. It keeps bodies in memory, and passes everything else on as it is.
func (d *Document) Handler(next http.Handler, report func(*http.Request, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !d.Covers(r) {
			next.ServeHTTP(w, r)
			return
		}
		var sent bytes.Buffer
		r.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(r.Body, &sent), r.Body}
		rec := &recorder{ResponseWriter: w}
		next.ServeHTTP(rec, r)
		if rec.status == 0 {
			rec.status, rec.header = http.StatusOK, w.Header().Clone()
		}
		report(r, d.Check(Exchange{
			Request: r, RequestBody: sent.Bytes(), Status: rec.status, Header: rec.header,
			ResponseBody: rec.body.Bytes(),
		}))
	})
}

// recorder keeps what a handler answers.
type recorder struct {
	http.ResponseWriter
	status int
	header http.Header
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	if r.status == 0 && status >= 200 {
		r.status, r.header = status, r.Header().Clone()
	}
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.WriteHeader(http.StatusOK)
	}
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController find the real writer.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
