package main

import (
	"strings"
	"testing"
	"time"
)

// TestShellAction checks that an action has the variables, its error has the last line, and it ends
// with its command, although a process in the background keeps the output open.
func TestShellAction(t *testing.T) {
	began := time.Now()
	act := shellAction(`echo "$SIGN_URL $REQUEST_ID"; sleep 20 &`, []string{"SIGN_URL=http://a"})
	output, err := act(t.Context(), "signv3-1")
	if took := time.Since(began); err != nil || output != "http://a signv3-1\n" ||
		took > 15*time.Second {
		t.Errorf("%q, %v, after %s", output, err, took)
	}
	_, err = shellAction("echo first >&2; echo last >&2; exit 3", nil)(t.Context(), "")
	if err == nil || !strings.Contains(err.Error(), "exit status 3: last") {
		t.Errorf("%v", err)
	}
}
