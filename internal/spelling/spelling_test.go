package spelling

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"same", "same", 0},
		{"quantiy", "quantity", 1},
		{"quantityy", "quantity", 1},
		{"quontity", "quantity", 1},
		{"ab", "ba", 2},
		{"kitten", "sitting", 3},
		{"abc", "abd", 1},
		{"abc", "ab", 1},
		{"ab", "cab", 1},
		{"abcd", "badc", 3},
		{"a", "abcdefgh", 7},
	} {
		require.Equal(t, tt.want, Distance(tt.a, tt.b), "%s, %s", tt.a, tt.b)
		require.Equal(t, tt.want, Distance(tt.b, tt.a), "%s, %s", tt.b, tt.a)
	}
}
