package e2e_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/maintenance"
)

// TestRotateWebhookKey rotates the key of webhooks under two nodes. Both publish the next key
// before either signs with it, and then sign with it and publish the old one still. No webhook has
// a key that the other node does not publish.
func TestRotateWebhookKey(t *testing.T) {
	first := newProcess(t)
	nodes := []*process{first, first.sibling(t)}
	database := cluster.Database(t)
	for _, p := range nodes {
		p.args = append(p.args, "--database", database)
		p.start(t)
	}
	published := func(node int) (set jose.JSONWebKeySet) {
		t.Helper()
		keys := do(t, "GET", nodes[node].url+"/.well-known/keys.json", "", "", nil)
		if err := json.Unmarshal([]byte(keys.body), &set); err != nil {
			t.Fatalf("keys.json: %s, %v", keys.body, err)
		}
		return set
	}
	hooks := 0
	// kid signs a document on a node, and returns the key of its webhook, which both nodes publish.
	kid := func(node int) string {
		t.Helper()
		if _, err := nodes[node].signedOn(nodes[node], alice); err != nil {
			t.Fatal(err)
		}
		hook, err := first.party.WaitWebhook(t.Context(), hooks)
		if err != nil {
			t.Fatal(err)
		}
		hooks++
		jws, err := jose.ParseSignedCompact(hook.Token, []jose.SignatureAlgorithm{jose.ES256})
		if err != nil {
			t.Fatal(err)
		}
		id := jws.Signatures[0].Header.KeyID
		for n := range nodes {
			set := published(n)
			keys := set.Key(id)
			if len(keys) != 1 {
				t.Fatalf("node %d does not publish %s", n, id)
			}
			if _, err := jws.Verify(keys[0]); err != nil {
				t.Errorf("the webhook is not valid: %v", err)
			}
		}
		return id
	}
	old := kid(0)
	if _, err := maintenance.RotateSecret(t.Context(), config.Config{Data: first.data}, "webhook"); err != nil {
		t.Fatal(err)
	}
	for n := range nodes {
		eventually(t, "both keys are published", func() bool { return len(published(n).Keys) == 2 })
		if id := kid(n); id != old {
			t.Errorf("node %d signs with a key that was published a moment ago", n)
		}
	}
	at := time.Now().Add(-3 * time.Hour) // the rotation was three hours ago
	next := filepath.Join(first.data, "keys", "webhook-2.key")
	if err := os.Chtimes(next, at, at); err != nil {
		t.Fatal(err)
	}
	// The worker of any node may deliver a webhook; both look into the folder every ten seconds.
	for n := range nodes {
		eventually(t, "the next key signs", func() bool { return kid(n) != old })
	}
	for n := range nodes {
		if len(published(n).Keys) != 2 {
			t.Errorf("node %d has stopped to publish the old key", n)
		}
	}
}
