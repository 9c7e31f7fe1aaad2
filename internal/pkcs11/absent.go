//go:build !pkcs11

package pkcs11

import "github.com/signet-sign/signet/internal/keydir"

const built = false

// Open returns an error for a URI that is not valid, or [ErrAbsent].
func Open(uri, _ string) (keydir.Module, error) { return nil, Check(uri) }
