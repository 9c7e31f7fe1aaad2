package request

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/signet-sign/signet/api"
)

// Link returns a download URL for the signed document. The URL serves the document to any client
// until exp, like a presigned URL of an object store. Nothing is stored for it.
func (s *Service) Link(id string) (url string, exp time.Time) { return s.linkSince(id, s.now()) }

func (s *Service) linkSince(id string, at time.Time) (url string, exp time.Time) {
	exp = at.UTC().Truncate(time.Second).Add(api.URLLifetime * time.Second)
	return fmt.Sprintf(
		"%s/documents/%s?expires=%d&signature=%s", s.PublicURL, id, exp.Unix(),
		linkMAC(s.LinkSecrets()[0], id, exp.Unix()),
	), exp
}

// Follow opens the document of a link. The error is [api.ErrUnauthorized] if the link is wrong or
// expired.
func (s *Service) Follow(
	ctx context.Context, id, expires, signature string,
) (r *Request, doc Blob, err error) {
	exp, err := strconv.ParseInt(expires, 10, 64)
	if err != nil || !s.isLink(id, exp, signature) {
		return nil, nil, api.ErrUnauthorized.Because("not a link of ours")
	}
	if s.now().After(time.Unix(exp, 0)) {
		return nil, nil, api.ErrUnauthorized.Because(
			"the link ended at %s", time.Unix(exp, 0).UTC().Format(time.RFC3339),
		)
	}
	err = twice(func() (err error) {
		if r, err = s.Get(ctx, id); err != nil {
			return err
		}
		if !r.State.Signed() {
			return api.ErrNotSigned
		}
		doc, err = s.Documents.Open(ctx, r.Signed.Key)
		return err
	})
	return r, doc, err
}

// isLink reports whether a signature was made with one of the secrets.
func (s *Service) isLink(id string, exp int64, signature string) bool {
	return slices.ContainsFunc(s.LinkSecrets(), func(secret []byte) bool {
		return equal(signature, linkMAC(secret, id, exp))
	})
}

func linkMAC(secret []byte, id string, exp int64) string {
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "signet document link\n%s\n%d", id, exp)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}
