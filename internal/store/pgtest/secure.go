package pgtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Users of a cluster with TLS, who reach it at localhost.
const (
	CertificateUser = "with_certificate" // logs in with the client certificate
	PasswordUser    = "with_password"
)

// TLS are the files of a cluster that also listens on a port of loopback, with TLS only.
type TLS struct {
	Root, Certificate, Key string // PEM files: the CA's, and the client's
	Other                  string // PEM file of a CA that has issued nothing
	Port                   string
}

// secure makes the certificates and the rules for connections from the network.
func (c *Cluster) secure() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, c.TLS.Port, err = net.SplitHostPort(l.Addr().String())
	if err := errors.Join(err, l.Close()); err != nil {
		return err
	}
	data := filepath.Join(c.dir, "data")
	file := func(name string) string { return filepath.Join(c.dir, name) }
	c.TLS.Root, c.TLS.Other = file("root.crt"), file("other.crt")
	c.TLS.Certificate, c.TLS.Key = file("client.crt"), file("client.key")
	root, key, err := c.certificate("Root", c.TLS.Root, "", nil, nil)
	if err != nil {
		return err
	}
	_, _, otherErr := c.certificate("Other", c.TLS.Other, "", nil, nil)
	_, _, clientErr := c.certificate(CertificateUser, c.TLS.Certificate, c.TLS.Key, root, key)
	_, _, serverErr := c.certificate(
		"localhost", filepath.Join(data, "server.crt"), filepath.Join(data, "server.key"), root,
		key,
	)
	rules := filepath.Join(data, "pg_hba.conf")
	old, err := os.ReadFile(rules)
	if err := errors.Join(err, otherErr, clientErr, serverErr); err != nil {
		return err
	}
	return os.WriteFile(rules, []byte(fmt.Sprintf(
		"hostssl all %s 127.0.0.1/32 cert\nhostssl all %s 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 reject\n%s",
		CertificateUser, PasswordUser, old,
	)), 0o600)
}

// certificate makes a key and its certificate. Without an issuer it is a CA's.
func (c *Cluster) certificate(
	name, file, keyFile string, issuer *x509.Certificate, by *ecdsa.PrivateKey,
) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return nil, nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	if issuer == nil {
		t.IsCA, t.BasicConstraintsValid, t.DNSNames = true, true, nil
		issuer, by = t, key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, issuer, key.Public(), by)
	if err != nil {
		return nil, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	for path, block := range map[string]*pem.Block{
		file:    {Type: "CERTIFICATE", Bytes: der},
		keyFile: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if path == "" {
			continue
		}
		err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600)
		if attr := c.attributes(); err == nil && attr != nil {
			err = os.Chown(path, int(attr.Credential.Uid), int(attr.Credential.Gid))
		}
		if err != nil {
			return nil, nil, err
		}
	}
	cert, err := x509.ParseCertificate(der)
	return cert, key, err
}

// network returns the settings of a server with TLS.
func (t *TLS) network() []string {
	if t == nil {
		return []string{"-c", "listen_addresses="}
	}
	return []string{
		"-c", "listen_addresses=127.0.0.1", "-c", "port=" + t.Port, "-c", "ssl=on",
		"-c", "ssl_ca_file=" + t.Root,
	}
}
