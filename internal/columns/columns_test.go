package columns

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Lines go on below their label; a word that is too long stays whole.
func TestWrap(t *testing.T) {
	for _, c := range []struct {
		text  string
		width int
		want  string
	}{
		{"hot share   not above it", 80, "hot share   not above it"},
		{"hot share   not above it at all", 20, "hot share   not\n            above it\n            at all"},
		{"  Look at what tripped", 14, "  Look at what\n    tripped"},
		{"one 0x0123456789abcdef two", 10, "one\n  0x0123456789abcdef\n  two"},
		{"any width there is", 0, "any width there is"},
		{"0123456789", 5, "0123456789"},
	} {
		require.Equal(t, c.want, strings.Join(Wrap(c.text, c.width, Hanging(c.text)), "\n"))
	}
}

// The lines of a paragraph are one text, wherever they were broken before; what is indented is
// a line of its own, and goes on below itself.
func TestFlow(t *testing.T) {
	text := "One paragraph\nin two lines.\n\nAnother:\n  label    what it means, at some length\n  x        short"
	require.Equal(t, "One paragraph in two\nlines.\n\nAnother:\n  label    what it\n           means, at\n           some\n           length\n  x        short", Flow(text, 20))
	require.Equal(t, "One paragraph in two lines.\n\nAnother:\n  label    what it means, at some length\n  x        short", Flow(text, 80))
}

// Each line is wrapped below itself, and lines that fit stay as they are.
func TestFit(t *testing.T) {
	require.Equal(t, "short\n  a list that\n    is long\n", Fit("short\n  a list that is long\n", 14))
	require.Equal(t, "", Fit("", 14))
}
