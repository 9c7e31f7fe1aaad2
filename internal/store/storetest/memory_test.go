package storetest_test

import (
	"testing"

	"github.com/signet-sign/signet/internal/store/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(*testing.T) storetest.Harness {
		return storetest.Harness{
			Open: func(*testing.T) storetest.Store { return storetest.NewMemory() },
		}
	})
}
