package look

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/cli"
	"pets/internal/cli/clitest"
)

// "a type is matched as a word or prefix people use (breaker → breaker.*), an unknown type
// is a usage error that lists the known ones".
func TestKnownTypes(t *testing.T) {
	t.Parallel()
	for asked, want := range map[string][]string{
		"":                 nil,
		"breaker":          {"breaker"},
		"breaker.*":        {"breaker"},
		"Breaker.Tripped":  {"breaker.tripped"},
		"fill.recorded.v1": {"fill.recorded.v1"},
		"tripped":          {domain.BreakerTrippedType},
		"reset,closed":     {domain.BreakerResetType, domain.TradeClosedType},
		"emergency":        {"emergency"},
		"stop": {
			domain.BotStoppedType, domain.EmergencyStopEngagedType, domain.EmergencyStopClearRequestedType, domain.EmergencyStopClearedType,
		},
	} {
		got, err := knownTypes(strings.Split(asked, ","))
		require.NoError(t, err, asked)
		require.Equal(t, want, got, asked)
	}
	// "--type refuses what it lists": every word of the list is taken.
	for line := range strings.Lines(typeList()) {
		for _, word := range strings.FieldsFunc(line, func(r rune) bool { return r == ' ' || r == ',' || r == '\n' }) {
			_, err := knownTypes([]string{word})
			require.NoError(t, err, word)
		}
	}
	for _, asked := range []string{"breker", "breaker.trip.ped", "v1", "fill.recorded.v9"} {
		_, err := knownTypes([]string{"bot", asked})
		require.ErrorContains(t, err, asked)
		clitest.Fits(t, cli.UsualWidth-len("pets: "), strings.SplitN(err.Error(), "\n", 2)[1])
	}
	for _, eventType := range domain.EventTypes() {
		got, err := knownTypes([]string{domain.EventName(eventType)})
		require.NoError(t, err)
		require.True(t, (&eventFilter{EventQuery: cli.EventQuery{Types: got}}).wants(domain.CurrentType(eventType)), eventType)
	}
}
