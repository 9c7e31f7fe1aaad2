package console

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
)

// certificatesShown bounds the list of certificates.
const certificatesShown = 100

// CertificatesPage lists the certificates that were issued, newest first, or the one with a serial
// number. Each form posts to /console/certificates/revoke.
type CertificatesPage struct {
	Serial       string // that was looked for
	Notice       string // "", "revoked", "already" or "unknown"
	MayRevoke    bool
	Reasons      []string
	Certificates []CertificateRow
}

// CertificateRow is one certificate.
type CertificateRow struct {
	audit.Certificate
	Signer bool   // its phone can be revoked here
	Why    string // name of the reason
}

// Meta implements ui.Page.
func (p CertificatesPage) Meta() ui.Meta {
	return consoleMeta("console_certificates", "console.certificates.title")
}

func (c *Console) certificates(w http.ResponseWriter, r *http.Request) error {
	page := CertificatesPage{
		Serial: normalSerial(r.FormValue("serial")), Notice: r.FormValue("notice"),
		MayRevoke: operatorOf(r.Context()).role >= Admin, Reasons: ca.Reasons(),
	}
	list, err := c.Issued.Certificates(
		r.Context(), audit.Certificate{}, page.Serial, certificatesShown,
	)
	if err != nil {
		return err
	}
	for _, cert := range list {
		if cert.RevokedAt.After(c.Now()) { // the person removes the phone, and may still keep it
			cert.RevokedAt = time.Time{}
		}
		page.Certificates = append(page.Certificates, CertificateRow{
			cert, cert.Kind == audit.KindSigner, ca.ReasonName(cert.Reason),
		})
	}
	return c.show(w, r, page)
}

// normalSerial returns a serial number in the form in which it is stored.
func normalSerial(text string) string {
	text = strings.ToLower(strings.TrimSpace(strings.ReplaceAll(text, ":", "")))
	return strings.TrimLeft(text, "0")
}

// revokeCertificate revokes the certificate of a signer's phone.
func (c *Console) revokeCertificate(w http.ResponseWriter, r *http.Request) error {
	serial := normalSerial(r.PostFormValue("serial"))
	reason, err := ca.ParseReason(r.PostFormValue("reason"))
	if err != nil {
		c.Kit.Error(w, r, http.StatusBadRequest, "")
		return nil
	}
	notice := "revoked"
	switch err := c.Signers.RevokeCertificate(r.Context(), serial, reason, c.operator(r)); {
	case errors.Is(err, signer.ErrRevoked):
		notice = "already"
	case errors.Is(err, signer.ErrNoPhone):
		notice = "unknown"
	case err != nil:
		return err
	}
	q := url.Values{"serial": {serial}, "notice": {notice}}
	http.Redirect(w, r, consoleURL(q, "certificates"), http.StatusSeeOther)
	return nil
}
