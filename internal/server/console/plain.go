package console

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"

	"github.com/signet-sign/signet/internal/party"
)

// PlainError says in words what an error of a connection means and what to do about it, and has the
// text of any other error without secrets of URLs.
func PlainError(err error) string {
	var (
		dns       *net.DNSError
		timeout   net.Error
		name      x509.HostnameError
		authority x509.UnknownAuthorityError
		invalid   x509.CertificateInvalidError
		record    tls.RecordHeaderError
	)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "The server refuses the connection. Check that it runs and that the port is right."
	case errors.Is(err, syscall.ECONNRESET):
		return "The server closed the connection before it answered. Look into its log."
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "There is no route to the server. Check the address and the firewall between."
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("The host name %s is not known. Check how it is spelled.", dns.Name)
	case errors.As(err, &record),
		// net/http replaces that error by this text.
		strings.Contains(err.Error(), "server gave HTTP response to HTTPS client"):
		return "The server does not speak TLS on this port. Check the port, or write http."
	case errors.As(err, &name):
		return "The server's certificate is for another host name: " + name.Error() + "."
	case errors.As(err, &authority):
		return "The server's certificate is from an authority that this machine does not trust."
	case errors.As(err, &invalid):
		return "The server's certificate is not valid: " + invalid.Error() + "."
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return "The server did not answer in time. Check the address and the firewall between."
	}
	return party.ShownText(err.Error())
}
