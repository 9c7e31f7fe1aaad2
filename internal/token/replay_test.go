package token_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

func TestReplay(t *testing.T) {
	b := newBench(t)
	for _, call := range []token.Call{token.Initiate, token.Result} {
		jws := b.party.Token(call)
		claims, _, err := b.verify(jws, call)
		if err != nil {
			t.Fatal(err)
		}
		if call == token.Initiate { // whose request uses it up
			if n := b.replay.Len(); n != 0 {
				t.Errorf("%d ids used up before the call", n)
			}
			if err := b.Spend(t.Context(), claims); err != nil {
				t.Fatal(err)
			}
		}
		until, used := b.replay.Until(b.party.ClientID, claims.JTI)
		if !used || !until.Equal(claims.ExpiresAt.Add(time.Minute)) {
			t.Errorf("%s: remembered until %v, exp is %v", call, until, claims.ExpiresAt)
		}
		if call == token.Initiate { // see TestResultRepeated
			_, _, err = b.verify(jws, call)
			wantRefusal(t, err, "jti: used before", jws)
		}

		again := b.party.Token(call, partytest.Claim("jti", strings.ToUpper(claims.JTI)))
		_, _, err = b.verify(again, call)
		wantRefusal(t, err, "jti: used before", again)
	}

	// A cancel is repeated after a lost answer, and the second one must be judged by the state of
	// the request.
	jws := b.party.Token(token.Cancel, partytest.Claim("jti", uuid.NewString()))
	for range 2 {
		if _, _, err := b.verify(jws, token.Cancel); err != nil {
			t.Error(err)
		}
	}

	b.replay.Fail(errors.New("disk full"))
	_, _, err := b.verify(b.party.Token(token.Initiate), token.Initiate)
	var answer *api.Error
	if err == nil || errors.As(err, &answer) {
		t.Errorf("with a broken store: %v, want an error of our own", err)
	}
}

// TestResultRepeated checks that the token of a result call is good again for the same request
// while it lives, and tells when it was first used. For another request, in another token, or after
// another use, its jti is used up.
func TestResultRepeated(t *testing.T) {
	b := newBench(t)
	result := func(jws, request string) (*token.Claims, error) {
		claims, _, err := b.VerifyResult(t.Context(), jws, b.party.ClientID, request)
		return claims, err
	}
	jws := b.party.Token(token.Result)
	first, err := result(jws, "a")
	if err != nil || !first.FirstUsed.Equal(epoch.Truncate(time.Second)) {
		t.Fatalf("%+v, %v", first, err)
	}
	b.now = epoch.Add(90 * time.Second)
	again, err := result(jws, "a")
	if err != nil || !again.FirstUsed.Equal(first.FirstUsed) {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = result(jws, "b")
	wantRefusal(t, err, "jti: used before", jws)
	jti := partytest.Claim("jti", first.JTI)
	other := b.party.Token(token.Result, jti, partytest.Claim("another", "claim"))
	_, err = result(other, "a")
	wantRefusal(t, err, "jti: used before", other)
	upload := b.party.Token(token.Initiate, jti)
	_, _, err = b.verify(upload, token.Initiate)
	wantRefusal(t, err, "jti: used before", upload)
	b.now = epoch.Add(121 * time.Second)
	_, err = result(jws, "a")
	wantRefusal(t, err, "exp", jws)

	b = newBench(t)
	upload = b.party.Token(token.Initiate)
	claims, _, err := b.verify(upload, token.Initiate)
	if err == nil {
		err = b.Spend(t.Context(), claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	spent := b.party.Token(token.Result, partytest.Claim("jti", claims.JTI))
	for range 2 {
		_, err = result(spent, "a")
		wantRefusal(t, err, "jti: used before", spent)
	}
}

func TestForgedTokenUsesNothingUp(t *testing.T) {
	b := newBench(t)
	jws := b.party.Token(token.Initiate)
	forged := jws[:len(jws)-10] + strings.Repeat("A", 10)
	if _, _, err := b.verify(forged, token.Initiate); err == nil {
		t.Fatal("accepted")
	}
	if _, _, err := b.verify(jws, token.Initiate); err != nil {
		t.Errorf("the true token after the forged one: %v", err)
	}
}
