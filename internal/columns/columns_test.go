package columns

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A line continues below its label; a word that is too long stays whole.
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

// Flow joins the lines of a paragraph, wherever they were broken; an indented line stays apart
// and wraps with a hanging indent.
func TestFlow(t *testing.T) {
	text := "One paragraph\nin two lines.\n\nAnother:\n  label    what it means, at some length\n  x        short"
	require.Equal(t, "One paragraph in two\nlines.\n\nAnother:\n  label    what it\n           means, at\n           some\n           length\n  x        short", Flow(text, 20))
	require.Equal(t, "One paragraph in two lines.\n\nAnother:\n  label    what it means, at some length\n  x        short", Flow(text, 80))
}

// Fit wraps each line with a hanging indent; lines that fit stay as they are.
func TestFit(t *testing.T) {
	require.Equal(t, "short\n  a list that\n    is long\n", Fit("short\n  a list that is long\n", 14))
	require.Equal(t, "", Fit("", 14))
}
