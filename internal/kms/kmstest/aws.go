package kmstest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/uuid"
)

// DecryptionKey is the alias of the RSA key of an [AWS].
const DecryptionKey = "alias/signet-secrets"

// AWS is a key management service with the part of AWS KMS's HTTP API that signet-kms uses. It
// checks what AWS checks about keys, and does not check the signatures of calls.
type AWS struct {
	address string

	mu     sync.Mutex
	server *http.Server // nil while it is away
	keys   map[string]crypto.Signer
	calls  map[string]int
}

// NewAWS starts the service, and directs the AWS SDK of processes that the test starts to it.
func NewAWS(t *testing.T) *AWS {
	t.Helper()
	decrypter, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	a := &AWS{
		address: "127.0.0.1:0", keys: map[string]crypto.Signer{DecryptionKey: decrypter},
		calls: map[string]int{},
	}
	a.Start(t)
	t.Cleanup(a.Stop)
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_KMS":        "http://" + a.address,
		"AWS_ACCESS_KEY_ID":           "AKIDEXAMPLE",
		"AWS_SECRET_ACCESS_KEY":       "example",
		"AWS_REGION":                  "ap-southeast-1",
		"AWS_EC2_METADATA_DISABLED":   "true",
		"AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"AWS_CONFIG_FILE":             "/dev/null",
	} {
		t.Setenv(name, value)
	}
	return a
}

// Start makes the service answer again after Stop, with the keys that it had.
func (a *AWS) Start(t *testing.T) {
	t.Helper()
	listener, err := net.Listen("tcp", a.address)
	if err != nil {
		t.Fatal(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.address = listener.Addr().String()
	a.server = &http.Server{Handler: a}
	server := a.server
	go func() { _ = server.Serve(listener) }()
}

// Stop makes the service refuse connections.
func (a *AWS) Stop() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.server != nil {
		_ = a.server.Close()
		a.server = nil
	}
}

// Calls returns how often an operation, such as Sign, was called.
func (a *AWS) Calls(operation string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.calls[operation]
}

// call has the parameters of all operations.
type call struct {
	KeyID       string `json:"KeyId"`
	KeySpec     string
	KeyUsage    string
	AliasName   string
	Message     []byte
	MessageType string
	Algorithm   string `json:"SigningAlgorithm"`
	Ciphertext  []byte `json:"CiphertextBlob"`
	Encryption  string `json:"EncryptionAlgorithm"`
}

var errNotFound = errors.New("NotFoundException")

// ServeHTTP answers one call.
func (a *AWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	operation := strings.TrimPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	var c call
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(&c)
	var answer any
	if err == nil {
		answer, err = a.answer(operation, c)
	}
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		kind := "ValidationException"
		if errors.Is(err, errNotFound) {
			kind = errNotFound.Error()
		}
		answer = map[string]string{"__type": kind, "message": err.Error()}
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func (a *AWS) answer(operation string, c call) (any, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls[operation]++
	if operation == "CreateKey" {
		return a.create(c)
	}
	key, ok := a.keys[c.KeyID]
	if !ok && operation != "CreateAlias" {
		return nil, fmt.Errorf("%w: key %q", errNotFound, c.KeyID)
	}
	switch operation {
	case "CreateAlias":
		if !strings.HasPrefix(c.AliasName, "alias/") {
			return nil, fmt.Errorf("alias %q", c.AliasName)
		}
		return struct{}{}, nil
	case "GetPublicKey":
		der, err := x509.MarshalPKIXPublicKey(key.Public())
		return map[string]any{"KeyId": c.KeyID, "PublicKey": der}, err
	case "Sign":
		return sign(key, c)
	case "Decrypt":
		private, ok := key.(*rsa.PrivateKey)
		if !ok || c.Encryption != "RSAES_OAEP_SHA_256" {
			return nil, fmt.Errorf("algorithm %q", c.Encryption)
		}
		text, err := rsa.DecryptOAEP(sha256.New(), nil, private, c.Ciphertext, nil)
		return map[string]any{"KeyId": c.KeyID, "Plaintext": text}, err
	}
	return nil, fmt.Errorf("operation %q", operation)
}

func (a *AWS) create(c call) (any, error) {
	curve := map[string]elliptic.Curve{
		"ECC_NIST_P256": elliptic.P256(), "ECC_NIST_P384": elliptic.P384(),
	}[c.KeySpec]
	if curve == nil || c.KeyUsage != "SIGN_VERIFY" {
		return nil, fmt.Errorf("key spec %q for %q", c.KeySpec, c.KeyUsage)
	}
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return nil, err
	}
	id := uuid.NewString()
	a.keys[id] = key
	return map[string]any{"KeyMetadata": map[string]string{"KeyId": id}}, nil
}

func sign(key crypto.Signer, c call) (any, error) {
	private, ok := key.(*ecdsa.PrivateKey)
	if !ok || c.MessageType != "DIGEST" {
		return nil, fmt.Errorf("message type %q with a %T", c.MessageType, key)
	}
	hash := map[elliptic.Curve]crypto.Hash{
		elliptic.P256(): crypto.SHA256, elliptic.P384(): crypto.SHA384,
	}[private.Curve]
	if want := fmt.Sprintf("ECDSA_SHA_%d", hash.Size()*8); c.Algorithm != want ||
		len(c.Message) != hash.Size() {
		return nil, fmt.Errorf("%d bytes with %q instead of %q", len(c.Message), c.Algorithm, want)
	}
	signature, err := ecdsa.SignASN1(rand.Reader, private, c.Message)
	return map[string]any{
		"KeyId": c.KeyID, "Signature": signature, "SigningAlgorithm": c.Algorithm,
	}, err
}
