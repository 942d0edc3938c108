package index

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Keys are in the files of indexes: each field is framed with its length, in eight bytes.
func TestIDKeyIsForEver(t *testing.T) {
	for _, id := range []string{"7", strings.Repeat("long", 100)} {
		n := []byte{0, 0, 0, 0, 0, 0, byte(len(id) >> 8), byte(len(id))}
		sum := sha256.Sum256([]byte("\x00\x00\x00\x00\x00\x00\x00\x04fill\x00\x00\x00\x00\x00\x00\x00\x04main" + string(n) + id))
		require.Equal(t, Key(sum[:16]), IDKey("fill", "main", id))
		require.Equal(t, Key(sum[:16]), IDKey("fill", "main", []byte(id)))
	}
}
