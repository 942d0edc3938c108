package embedded_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/storetest"
)

func TestStore(t *testing.T) {
	for name, options := range map[string]embedded.Options{"large segments": {}, "small segments": {SegmentBytes: 1 << 12}} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) eventstore.Store {
				s, err := embedded.Open(t.TempDir(), options)
				require.NoError(t, err)
				t.Cleanup(func() { require.NoError(t, s.Close()) })
				return s
			})
		})
	}
}
