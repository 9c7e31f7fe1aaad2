package app

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/server/sandbox"
)

// The key and the root certificate of a sandbox's authority for TLS, in the folder of keys.
const (
	localRootKey = "sandbox-tls"
	localRoot    = "sandbox-tls.crt"
)

// localRootPath is where phones download the root certificate.
const localRootPath = "/sandbox-root.crt"

const (
	localRootLife = 10 * 365 * 24 * time.Hour
	// localLife is the lifetime of a certificate that the authority issues: iOS accepts at most
	// 825 days.
	localLife = 397 * 24 * time.Hour
)

// openLocalTLS gives the public listener of a sandbox a certificate for this machine that the
// sandbox's own authority issues (Config.TLS). The certificate is issued at each start, because
// addresses change; the root is kept.
func (a *App) openLocalTLS() error {
	key, err := a.keys.Signer(localRootKey, elliptic.P256())
	if err != nil {
		return err
	}
	root, err := openLocalRoot(a.keys, key, a.wall())
	if err != nil {
		return err
	}
	public, err := url.Parse(a.Config.PublicURL)
	if err != nil {
		return err
	}
	pair, err := issueLocal(root, key, public.Hostname(), a.wall())
	if err != nil {
		return err
	}
	a.tls.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return pair, nil }
	sum := sha256.Sum256(root.Raw)
	a.root = &sandbox.Root{
		File: filepath.Join(a.Config.Data, "keys", localRoot),
		URL:  a.Config.PublicURL + localRootPath, Fingerprint: fmt.Sprintf("% X", sum[:]),
		PEM: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: root.Raw}),
	}
	return nil
}

// openLocalRoot returns the root certificate in the folder of keys. It makes one if there is none,
// or if the one that there is ends within a certificate's life.
func openLocalRoot(keys *keydir.Dir, key crypto.Signer, now time.Time) (*x509.Certificate, error) {
	stored, err := keys.Read(localRoot)
	if err == nil {
		if block, _ := pem.Decode(stored); block != nil {
			root, err := x509.ParseCertificate(block.Bytes)
			if err == nil && root.NotAfter.After(now.Add(localLife)) &&
				root.PublicKey.(*ecdsa.PublicKey).Equal(key.Public()) {
				return root, nil
			}
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	host, _ := os.Hostname()
	template := &x509.Certificate{
		Subject: pkix.Name{
			Organization: []string{"Signet sandbox"},
			CommonName: fmt.Sprintf(
				"Signet sandbox on %s, %s", cmp.Or(host, "this machine"), now.Format(time.DateOnly),
			),
		},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(localRootLife),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := keys.Replace(localRoot, text); err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// issueLocal returns a certificate for host and for all names and addresses of this machine.
func issueLocal(
	root *x509.Certificate, rootKey crypto.Signer, host string, now time.Time,
) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		Subject:   pkix.Name{CommonName: host},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(localLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:    []string{"localhost"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
	}
	if name, err := os.Hostname(); err == nil {
		template.DNSNames = append(template.DNSNames, name, name+".local")
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else {
		template.DNSNames = append(template.DNSNames, host)
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	for _, addr := range addresses {
		if network, ok := addr.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			template.IPAddresses = append(template.IPAddresses, network.IP)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, root, key.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// downloadRoot answers GET /sandbox-root.crt.
func (a *App) downloadRoot(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/x-x509-ca-cert")
	w.Header().Set("Content-Disposition", `attachment; filename="signet-sandbox-root.crt"`)
	_, _ = w.Write(a.root.PEM)
}

// listenURL is the public URL of a sandbox without one: the address that it listens on. A listener
// on all addresses has that of the interface to the default route, which phones in the same network
// reach.
func (a *App) listenURL() string {
	host := a.Addr.String()
	if tcp := a.Addr.(*net.TCPAddr); tcp.IP.IsUnspecified() {
		host = reachable(a.Addr)
		// No packet is sent: UDP has no handshake. The address is one for documentation.
		if c, err := net.Dial("udp4", "192.0.2.1:9"); err == nil {
			ip := c.LocalAddr().(*net.UDPAddr).IP
			host = (&net.TCPAddr{IP: ip, Port: tcp.Port}).String()
			c.Close()
		}
	}
	if a.Config.EndsTLS() {
		return "https://" + strings.TrimSuffix(host, ":443")
	}
	return "http://" + strings.TrimSuffix(host, ":80")
}
