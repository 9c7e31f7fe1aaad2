package e2e_test

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// TestWebhookReceivers has programs in other languages receive webhooks: a genuine one is accepted,
// and its document stored once, however often it is sent; those of eight faults are refused.
// Receivers in Node, Python, Go and Java are in examples.
func TestWebhookReceivers(t *testing.T) {
	for _, library := range []struct{ remedy, name, run, code string }{
		{"apt-get install php-cli", "php", "-r", "exit(!function_exists('openssl_verify'));"},
		{"apt-get install ruby-jwt ruby-webrick", "ruby", "-e", `require "jwt"; require "webrick"`},
	} {
		if err := exec.CommandContext(
			t.Context(), library.name, library.run, library.code,
		).Run(); err != nil {
			needed(t, library.remedy, err)
		}
	}
	for _, receiver := range []struct {
		name    string
		command func(addr string) []string
	}{
		{"PHP", func(addr string) []string {
			return []string{"php", "-S", addr, filepath.Join(clientsDir, "webhook.php")}
		}},
		{"Ruby", func(string) []string {
			return []string{"ruby", "-W0", filepath.Join(clientsDir, "webhook.rb")}
		}},
	} {
		t.Run(receiver.name, func(t *testing.T) {
			addr := freeAddr(t)
			s := start(t, func(c *config.Config) { c.Parties[0].WebhookURL = "http://" + addr + "/webhook" })
			s.party.Now = time.Now
			store := t.TempDir()
			args := receiver.command(addr)
			cmd := exec.Command(args[0], args[1:]...)
			_, port, _ := strings.Cut(addr, ":")
			cmd.Env = append(os.Environ(), "STORE="+store, "PORT="+port,
				"KEYS="+s.url+"/.well-known/keys.json",
			)
			cmd.Stderr = testWriter{t}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = cmd.Process.Signal(syscall.SIGTERM)
				_ = cmd.Wait()
			})
			for !reachable("http://" + addr + "/") {
				time.Sleep(20 * time.Millisecond)
			}
			log := func(start string) (n int, all string) {
				text, _ := os.ReadFile(filepath.Join(store, "log"))
				for line := range strings.Lines(string(text)) {
					if strings.HasPrefix(line, start) {
						n++
					}
				}
				return n, string(text)
			}

			in := s.sign(t)
			send := func(fault string) {
				t.Helper()
				if fault != "" {
					s.inject(t, `{"kind":"`+fault+`","count":1}`)
				}
				a := do(t, "POST", s.control+"/requests/"+in.RequestID+"/resend", "", "", nil)
				if a.status != http.StatusOK {
					t.Fatalf("%s: resend: %d %s", fault, a.status, a.body)
				}
			}
			for handled := 0; handled == 0; handled, _ = log("handled") {
				send("") // on a slow machine the first attempts may take too long
			}
			faults := []string{
				"webhook-forged", "webhook-expired", "webhook-wrong-key", "webhook-unsigned",
				"webhook-hmac", "webhook-own-key", "webhook-other-audience",
			}
			for i, fault := range faults {
				for {
					send(fault)
					if n, _ := log("refused"); n > i {
						break
					}
				}
			}
			for _, good := range []string{"webhook-doubled", "webhook-extended"} {
				before, _ := log("again")
				send(good)
				if after, all := log("again"); after <= before {
					t.Errorf("%s is not accepted:\n%s", good, all)
				}
			}
			refused, all := log("refused")
			if handled, _ := log("handled"); handled != 1 || refused < len(faults) {
				t.Errorf("%d handled, %d refused:\n%s", handled, refused, all)
			}
			pdf, err := os.ReadFile(filepath.Join(store, in.RequestID+".pdf"))
			signed := do(t, "GET", s.signedResult(t, in).SignedDocURL, "", "", nil)
			if err != nil || signed.status != http.StatusOK || string(pdf) != signed.body {
				t.Errorf("the stored document has %d bytes, %v", len(pdf), err)
			}
		})
	}
}

// reachable reports whether a server answers at a URL.
func reachable(url string) bool {
	resp, err := http.Get(url)
	if err != nil {
		return false
	}
	_ = resp.Body.Close()
	return true
}
