package look_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/pets/petstest"
	"pets/replay/scenario"
)

// "readers see single trades": pets events shows the rows of a record one by one, and finds
// them by the type of the row.
func TestEventsShowsTheRowsOfARecord(t *testing.T) {
	const bots = 103
	var text strings.Builder
	text.WriteString("quiet on\nopen capital=10000 rules=2\nmarket cup kind=outcome outcomes=A,B,C\n")
	for i := range bots {
		fmt.Fprintf(&text, "bot b%d capital=10\nbuy b%d cup/A 1 @ 0.4\n", i, i)
	}
	text.WriteString("payouts cup A 1 B 0 C 0\n")
	played, err := scenario.Store(t.Context(), scenario.Options{Name: "rows"}, strings.NewReader(text.String()))
	require.NoError(t, err)
	var all []eventstore.Proposed
	for rec, err := range played.ReadStream(t.Context(), commands.Stream(scenario.Portfolio), 0) {
		require.NoError(t, err)
		all = append(all, eventstore.Proposed{ID: rec.ID, Type: rec.Type, Time: rec.Time, Metadata: rec.Metadata, Data: rec.Data})
	}
	s := petstest.New(t)
	store, err := embedded.Open(s.Store(), embedded.Options{})
	require.NoError(t, err)
	_, err = store.Append(t.Context(), commands.Stream("main"), eventstore.NoStream, all)
	require.NoError(t, err)
	require.NoError(t, store.Close())

	closed := s.Events("--type", "trade.closed", "--limit", "1000")
	require.Len(t, closed, bots)
	for _, e := range closed {
		require.Equal(t, domain.TradeClosedType, e.Type)
	}
}
