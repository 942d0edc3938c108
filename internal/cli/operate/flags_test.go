package operate

import (
	"os"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// "The flag explains itself": every flag that a fill can have.
func TestEveryFlagIsExplained(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../../domain/events_trading.go")
	require.NoError(t, err)
	flags := regexp.MustCompile(`(?m)^\tFlag\w+ += "(\w+)"`).FindAllStringSubmatch(string(source), -1)
	require.NotEmpty(t, flags)
	for _, flag := range flags {
		require.Contains(t, explained([]string{flag[1]}), flag[1]+": ")
	}
	require.Len(t, flagWords, len(flags))
}

// "README's permit with the fill of `pets fill --help`: make the two agree": both name the fee.
func TestThePermitOfTheREADMEAllowsTheFillOfTheHelp(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../../README.md")
	require.NoError(t, err)
	fee := regexp.MustCompile(`--fee (\S+)`)
	permit := regexp.MustCompile(`(?m)^bin/pets permit ask .*$`).FindString(string(readme))
	fill := (&app{}).recordFillCommand().Example
	require.NotEmpty(t, fee.FindString(permit))
	require.Equal(t, fee.FindString(permit), fee.FindString(fill))
}
