package console

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/party"
)

// PlainError says in words what an error of a connection means and what to do about it, and has the
// text of any other error without secrets of URLs.
func PlainError(err error) string {
	var (
		dns     *net.DNSError
		timeout net.Error
		name    x509.HostnameError
		invalid x509.CertificateInvalidError
	)
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Sprintf("The host name %s is not known. Check how it is spelled.", dns.Name)
	case dns != nil:
		return noNameServer
	case errors.As(err, &name):
		return "The server's certificate is for another host name: " + name.Error() + "."
	case errors.As(err, &invalid):
		return "The server's certificate is not valid: " + invalid.Error() + "."
	case errors.As(err, &timeout) && timeout.Timeout():
		return noAnswer
	}
	if _, meaning := plain(err.Error()); meaning != "" {
		return meaning
	}
	return party.ShownText(err.Error())
}

const (
	noAnswer     = "The server did not answer in time. Check the address and the firewall between."
	noNameServer = "The name server does not answer. Check the machine's DNS settings."
)

// meanings are what the texts of net, net/http, crypto/tls and context mean. Errors are kept as
// texts in jobs, trails and records of calls. The first that is found counts.
var meanings = []struct {
	meaning string
	texts   []string
}{
	{
		"The server refuses the connection. Check that it runs and that the port is right.",
		[]string{"connection refused"},
	},
	{
		"There is no route to the server. Check the address and the firewall between.",
		[]string{"no route to host", "network is unreachable"},
	},
	{"The host name is not known. Check how it is spelled.", []string{"no such host"}},
	{
		"The server does not speak TLS on this port. Check the port, or write http.",
		[]string{"gave HTTP response to HTTPS", "does not look like a TLS handshake"},
	},
	{
		"The server's certificate is from an authority that this machine does not trust.",
		[]string{"signed by unknown authority"},
	},
	{
		"The server's certificate has expired or is not valid yet. Let its owner renew it, and " +
			"check this machine's clock.",
		[]string{"certificate has expired"},
	},
	{
		"The server's certificate is for another host name. Check the host name, or let its " +
			"owner renew it.",
		[]string{"certificate is valid for", "certificate is not valid for"},
	},
	{noAnswer, []string{"deadline exceeded", "Timeout exceeded", "i/o timeout", "TLS handshake timeout"}},
	{
		"The server closed the connection before it answered. Look into its log.",
		[]string{"connection reset by peer", "broken pipe", "EOF"},
	},
}

// machinery is where the part of an error begins that net/http and the packages below it wrote.
var machinery = regexp.MustCompile(
	`(^|: )((Get|Head|Post|Put|Delete) "|(dial|read|write) (tcp|udp|unix)|lookup |tls: |x509: |` +
		`remote error: |(net/)?http: |context deadline|unexpected EOF|EOF$)`,
)

// ofNameServer is the part of an error that net wrote about a name server and not about the server
// whose name it was asked for.
var ofNameServer = regexp.MustCompile(
	`lookup \S+( on \S+)?: (server misbehaving|i/o timeout|(dial|read|write) (tcp|udp) )`,
)

// PlainText is [PlainError] for the text of an error. It keeps what precedes the part that the
// network packages wrote, such as the operation that failed.
func PlainText(text string) string {
	before, meaning := plain(text)
	switch {
	case meaning == "":
		return party.ShownText(text)
	case before == "":
		return meaning
	}
	return party.ShownText(before) + ": " + meaning
}

// plain returns what the part of a text that the network packages wrote means, and what precedes
// it. The meaning is "" if it is not known.
func plain(text string) (before, meaning string) {
	at := machinery.FindStringIndex(text)
	if at == nil {
		return "", ""
	}
	if ofNameServer.MatchString(text[at[0]:]) {
		return text[:at[0]], noNameServer
	}
	for _, m := range meanings {
		if slices.ContainsFunc(m.texts, func(t string) bool {
			return strings.Contains(text[at[0]:], t)
		}) {
			return text[:at[0]], m.meaning
		}
	}
	return "", ""
}
