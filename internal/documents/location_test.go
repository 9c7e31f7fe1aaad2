package documents_test

import (
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/documents"
)

func TestParseLocation(t *testing.T) {
	for text, want := range map[string]string{
		"s3://bucket":  "s3://bucket",
		"s3://bucket/": "s3://bucket",
		"s3://bucket/a/b.c/?region=ap-southeast-1":       "s3://bucket/a/b.c",
		"s3://bucket/a?endpoint=https://s3.test:9000":    "s3://bucket/a",
		"s3://bucket/a?sse=aws:kms&kms_key_id=1":         "s3://bucket/a",
		"http://bucket/a":                                "",
		"s3:///a":                                        "",
		"bucket":                                         "",
		"s3://id:secret@bucket/a":                        "",
		"s3://bucket/a/../b":                             "",
		"s3://bucket/a//b":                               "",
		"s3://bucket/a b":                                "",
		"s3://bucket?endpont=https://s3.test":            "",
		"s3://bucket?endpoint=s3.test":                   "",
		"s3://bucket?endpoint=https://s3.test/path":      "",
		"s3://bucket?endpoint=https://id:secret@s3.test": "",
		"s3://bucket?sse=rot13":                          "",
		"s3://bucket?kms_key_id=1":                       "",
		"s3://bucket?sse=AES256&kms_key_id=1":            "",
	} {
		got, err := documents.ParseLocation(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("ParseLocation(%q) = %v, %v; want %q", text, got, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "secret@") {
			t.Errorf("the error has the secret: %v", err)
		}
	}
}
