package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/conform/report"
)

func sample() *report.Report {
	return &report.Report{
		Name: "signet conform", Subject: "https://sign.example/api/v3", Began: time.Unix(1e9, 0),
		Verdicts: []report.Verdict{
			{Rule: "2.1.2", Title: "no Bearer", Basis: "observed", Outcome: report.Pass},
			{
				Rule: "2.3.5", Title: "a jti is good once", Basis: "page", Outcome: report.Fail,
				Reason: "the second call is answered 200 <ok>", Took: 1500 * time.Millisecond,
				Evidence: []report.Exchange{{Request: "POST /x\n", Answer: "HTTP/1.1 200 OK\n"}},
			},
			{
				Rule: "5.2.1", Title: "signed", Basis: "page", Outcome: report.CannotTell,
				Reason: "no signer",
			},
		},
	}
}

// TestTable checks that the table has a line for each rule, the reasons, the evidence of failures
// and totals.
func TestTable(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2.1.2    pass         observed  no Bearer\n",
		"2.3.5    fail         page      a jti is good once\n",
		"\n2.3.5 the second call is answered 200 <ok>\n    POST /x\n    \n    HTTP/1.1 200 OK\n",
		"5.2.1    cannot tell  page      signed\n                                 no signer\n",
		"1 pass, 1 fail, 1 cannot tell\n  observed  1 of 1 judged rules pass\n" +
			"  page      0 of 1 judged rules pass\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is not in\n%s", want, b.String())
		}
	}
}

// TestJSON checks that the JSON has the totals and every verdict with its evidence.
func TestJSON(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		report.Report
		Pass, Fail int
		CannotTell int `json:"cannot_tell"`
	}
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Pass != 1 || got.Fail != 1 || got.CannotTell != 1 || len(got.Verdicts) != 3 ||
		got.Verdicts[1].Evidence[0].Request != "POST /x\n" {
		t.Errorf("%s", b.String())
	}
}

// TestJUnit checks that a failed rule is a failure, and one that cannot be judged is skipped.
func TestJUnit(t *testing.T) {
	var b strings.Builder
	if err := sample().WriteJUnit(&b); err != nil {
		t.Fatal(err)
	}
	var got struct {
		Tests    int     `xml:"tests,attr"`
		Failures int     `xml:"failures,attr"`
		Skipped  int     `xml:"skipped,attr"`
		Time     float64 `xml:"time,attr"`
		Cases    []struct {
			Name    string `xml:"name,attr"`
			Failure *struct {
				Message string `xml:"message,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			Skipped *struct{} `xml:"skipped"`
		} `xml:"testcase"`
	}
	if err := xml.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 3 || got.Failures != 1 || got.Skipped != 1 || got.Time != 1.5 {
		t.Fatalf("%s", b.String())
	}
	c := got.Cases
	if c[0].Failure != nil || c[0].Skipped != nil || c[2].Skipped == nil ||
		c[1].Name != "2.3.5 a jti is good once" || c[1].Failure == nil ||
		c[1].Failure.Message != "the second call is answered 200 <ok>" ||
		!strings.Contains(c[1].Failure.Text, "POST /x") {
		t.Errorf("%s", b.String())
	}
}

// TestRecorder checks that both directions are recorded, the parties see what was sent, and the
// record holds none of the secrets.
func TestRecorder(t *testing.T) {
	const (
		token  = "eyJhbGciOiJFUzI1NiJ9.eyJjbGllbnRfaWQiOiJzaG9wIiwiZXhjaGFuZ2VfY29kZSI6IlMzQ1JFVCJ9.c2lnbmF0dXJlLWJ5dGVz"
		answer = `{"Exchange_Code":"S3CRET","signing_url":"https://sign.example/S3CRET?k=S3CRET",` +
			`"token":"` + token + `","list":["https://a.example/?q=S3CRET"],"n":1}`
	)
	var in, out report.Recorder
	server := httptest.NewServer(in.Handler(http.HandlerFunc(func(
		w http.ResponseWriter, r *http.Request,
	) {
		if body, _ := io.ReadAll(r.Body); string(body) != "%PDF-S3CRET" ||
			r.Header.Get("Authorization") != token {
			t.Errorf("received %q", body)
		}
		w.Header().Set("Set-Cookie", "S3CRET")
		w.WriteHeader(http.StatusTeapot)
		_, _ = io.WriteString(w, answer)
	})))
	defer server.Close()
	req, err := http.NewRequest(
		http.MethodPost, server.URL+"/calls?q=S3CRET", strings.NewReader("%PDF-S3CRET"),
	)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", token)
	resp, err := out.Transport(http.DefaultTransport).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != answer {
		t.Errorf("answered %s", got)
	}
	for name, recorder := range map[string]*report.Recorder{"in": &in, "out": &out} {
		list := recorder.Take()
		if len(list) != 1 || len(recorder.Take()) != 0 {
			t.Fatalf("%s: %d exchanges", name, len(list))
		}
		text := list[0].String()
		for _, secret := range []string{"S3CRET", "eyJ", "c2lnbmF0dXJl"} {
			if strings.Contains(text, secret) {
				t.Errorf("%s holds %q:\n%s", name, secret, text)
			}
		}
		for _, want := range []string{
			"POST ", "/calls?…", `"client_id":"shop"`, "(a PDF of 11 bytes)", "418 I'm a teapot",
			`"Exchange_Code":"••• (6 characters)"`, `"signing_url":"https://sign.example/…"`,
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %q:\n%s", name, want, text)
			}
		}
	}
}

// TestRecorderOther checks the records of bodies that are neither JSON nor PDF, and calls without
// an answer.
func TestRecorderOther(t *testing.T) {
	bodies := [][]byte{nil, {0xff, 0xfe}, bytes.Repeat([]byte("a"), 2000)}
	wants := []string{"", "(2 bytes)", strings.Repeat("a", 1000) + "…"}
	for i, body := range bodies {
		var r report.Recorder
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(body)
		}))
		client := &http.Client{Transport: r.Transport(http.DefaultTransport)}
		resp, err := client.Get(server.URL)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := r.Take()[0].Answer; !strings.Contains(got, wants[i]) || len(got) > 1300 {
			t.Errorf("%q: %s", body[:min(9, len(body))], got)
		}
		server.Close()
		if _, err := client.Get(server.URL); err == nil {
			t.Error("a closed server answers")
		}
		if got := r.Take()[0].Answer; !strings.HasPrefix(got, "no answer: ") {
			t.Errorf("%s", got)
		}
	}
}
