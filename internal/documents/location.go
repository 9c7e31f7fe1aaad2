package documents

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7/pkg/encrypt"
)

// Location says where in an object store documents are.
type Location struct {
	Bucket string
	Prefix string // of all keys; "" or ends in a slash

	// Endpoint is the scheme and host of the store. That of AWS is https://s3.amazonaws.com, from
	// which the region makes the host of the region.
	Endpoint *url.URL

	Region string // "" is the one of the environment

	// Encryption is the encryption of new objects that requests ask for; nil is what the bucket
	// says.
	Encryption encrypt.ServerSide
}

const awsHost = "s3.amazonaws.com"

// ParseLocation parses s3://BUCKET[/PREFIX][?PARAMETER=VALUE&...]. The parameters are endpoint
// (https://HOST[:PORT]), region, and sse (AES256 or aws:kms) with kms_key_id.
func ParseLocation(text string) (*Location, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "s3" || u.Host == "" || u.Fragment != "":
		return nil, errors.New(
			"it must be a URL such as s3://bucket/prefix?endpoint=https://host&region=name",
		)
	case u.User != nil:
		return nil, errors.New(
			"credentials must not stand in it: set documents_credentials_file or the environment",
		)
	}
	l := &Location{Bucket: u.Host, Prefix: strings.Trim(u.Path, "/")}
	for part := range strings.SplitSeq(l.Prefix, "/") {
		if l.Prefix != "" && (!plain(part, ".") || part[0] == '.') {
			return nil, fmt.Errorf(
				"prefix %.200q: between slashes must be 1 to 128 letters, digits, '-', '_' or '.', and first no '.'",
				l.Prefix,
			)
		}
	}
	if l.Prefix != "" {
		l.Prefix += "/"
	}
	q, err := url.ParseQuery(u.RawQuery)
	if err != nil {
		return nil, err
	}
	for name := range q {
		switch name {
		case "endpoint", "region", "sse", "kms_key_id":
		default:
			return nil, fmt.Errorf(
				"unknown parameter %q: there are endpoint, region, sse and kms_key_id", name,
			)
		}
	}
	l.Region = q.Get("region")
	l.Endpoint = &url.URL{Scheme: "https", Host: awsHost}
	if q.Has("endpoint") {
		l.Endpoint, err = url.Parse(q.Get("endpoint"))
		if e := l.Endpoint; err != nil || e.Scheme != "http" && e.Scheme != "https" ||
			e.Host == "" || e.User != nil || strings.Trim(e.Path, "/") != "" || e.RawQuery != "" {
			return nil, errors.New(
				"endpoint: it must be a scheme, a host and perhaps a port, such as https://s3.example.com",
			)
		}
	}
	switch key := q.Get("kms_key_id"); {
	case q.Get("sse") == "" && key == "":
	case q.Get("sse") == "AES256" && key == "":
		l.Encryption = encrypt.NewSSE()
	case q.Get("sse") == "aws:kms":
		l.Encryption, err = encrypt.NewSSEKMS(key, nil)
	default:
		return nil, errors.New("sse: it must be AES256, or aws:kms, which kms_key_id may go with")
	}
	return l, err
}

// String is the URL without parameters.
func (l *Location) String() string {
	return strings.TrimSuffix("s3://"+l.Bucket+"/"+l.Prefix, "/")
}
