// Package clitest has helpers for the tests of every command package. It imports none of them.
package clitest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Fits checks that every line of a text fits a width.
func Fits(t *testing.T, width int, text string) {
	t.Helper()
	require.NotEmpty(t, text)
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		require.LessOrEqual(t, len([]rune(line)), width, "%s", line)
		require.Equal(t, strings.TrimRight(line, " "), line)
	}
}

// FitsByWords is Fits for texts with paths, addresses and commands: a word longer than a line may
// exceed the width if it stands alone.
func FitsByWords(t *testing.T, width int, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		words := strings.TrimPrefix(strings.TrimLeft(line, " "), "pets: ")
		if len([]rune(line)) > width && strings.Contains(words, " ") {
			t.Errorf("more than %d columns: %s", width, line)
		}
	}
}
