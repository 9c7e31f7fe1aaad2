package console

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
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
	return PlainText(err.Error())
}

// meanings are what the texts of net, net/http, crypto/tls and context mean. Errors are kept as
// texts in jobs, trails and records of calls. The first that is found counts.
var meanings = []struct{ text, meaning string }{
	{
		"connection refused",
		"The server refuses the connection. Check that it runs and that the port is right.",
	},
	{
		"connection reset by peer",
		"The server closed the connection before it answered. Look into its log.",
	},
	{"broken pipe", "The server closed the connection before it answered. Look into its log."},
	{
		"no route to host",
		"There is no route to the server. Check the address and the firewall between.",
	},
	{
		"network is unreachable",
		"There is no route to the server. Check the address and the firewall between.",
	},
	{"no such host", "The host name is not known. Check how it is spelled."},
	{"server misbehaving", "The name server does not answer. Check the machine's DNS settings."},
	{
		"gave HTTP response to HTTPS",
		"The server does not speak TLS on this port. Check the port, or write http.",
	},
	{
		"does not look like a TLS handshake",
		"The server does not speak TLS on this port. Check the port, or write http.",
	},
	{
		"signed by unknown authority",
		"The server's certificate is from an authority that this machine does not trust.",
	},
	{
		"certificate has expired",
		"The server's certificate has expired or is not valid yet. Let its owner renew it, and check this machine's clock.",
	},
	{
		"certificate is valid for",
		"The server's certificate is for another host name. Check the host name, or let its owner renew it.",
	},
	{
		"certificate is not valid for",
		"The server's certificate is for another host name. Check the host name, or let its owner renew it.",
	},
	{
		"deadline exceeded",
		"The server did not answer in time. Check the address and the firewall between.",
	},
	{
		"i/o timeout",
		"The server did not answer in time. Check the address and the firewall between.",
	},
	{
		"TLS handshake timeout",
		"The server did not answer in time. Check the address and the firewall between.",
	},
	{"EOF", "The server closed the connection before it answered. Look into its log."},
}

// machinery is where the part of an error begins that net/http and the packages below it wrote.
var machinery = regexp.MustCompile(
	`(^|: )((Get|Head|Post|Put|Delete) "|(dial|read|write) (tcp|udp|unix)|lookup |tls: |x509: |remote error: |http: |context deadline|unexpected EOF|EOF$)`,
)

// PlainText is [PlainError] for the text of an error. It keeps what precedes the part that the
// network packages wrote, such as the operation that failed.
func PlainText(text string) string {
	at := machinery.FindStringIndex(text)
	if at == nil {
		return party.ShownText(text)
	}
	for _, m := range meanings {
		if !strings.Contains(text[at[0]:], m.text) {
			continue
		}
		if before := text[:at[0]]; before != "" {
			return party.ShownText(before) + ": " + m.meaning
		}
		return m.meaning
	}
	return party.ShownText(text)
}
