package server

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// CertificateFiles is a TLS certificate, with its chain, and its private key in two PEM files. When
// the files are replaced, handshakes use the new pair from the next second on. While the files do
// not belong together, as between the two replacements, handshakes use the old pair.
type CertificateFiles struct {
	certificate, key string
	log              *slog.Logger

	mu      sync.Mutex
	pair    *tls.Certificate
	version string    // of the files when they were last read
	looked  time.Time // when the version was last compared
}

// OpenCertificateFiles reads the pair.
func OpenCertificateFiles(certificate, key string, log *slog.Logger) (*CertificateFiles, error) {
	f := &CertificateFiles{certificate: certificate, key: key, log: log, looked: time.Now()}
	var err error
	if f.version, err = f.stat(); err != nil {
		return nil, err
	}
	f.pair, err = f.read()
	return f, err
}

// Get returns the pair for a handshake (tls.Config, GetCertificate).
func (f *CertificateFiles) Get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	if now.Sub(f.looked) < time.Second {
		return f.pair, nil
	}
	f.looked = now
	version, err := f.stat()
	if err == nil && version == f.version {
		return f.pair, nil
	}
	var pair *tls.Certificate
	if err == nil {
		f.version = version
		pair, err = f.read()
	}
	if err != nil {
		f.log.Error(
			"the TLS certificate cannot be read again: the old one stays in use", "err", err,
		)
		return f.pair, nil
	}
	f.pair = pair
	f.log.Info("the TLS certificate was replaced", "ends", pair.Leaf.NotAfter)
	return f.pair, nil
}

func (f *CertificateFiles) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(f.certificate, f.key)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// stat returns a text that changes with the files.
func (f *CertificateFiles) stat() (version string, err error) {
	for _, path := range []string{f.certificate, f.key} {
		info, err := os.Stat(path)
		if err != nil {
			return "", err
		}
		version += fmt.Sprintf("%d %d;", info.ModTime().UnixNano(), info.Size())
	}
	return version, nil
}
