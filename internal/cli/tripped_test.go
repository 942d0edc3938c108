package cli

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
)

// "A person who types what trips is told so": the answer to one command says nothing of what
// another one has tripped in the same run, and what is said is said once, also where it was sent
// twice.
func TestWhatIsTrippedIsSaidOnce(t *testing.T) {
	var out, errs bytes.Buffer
	a := &App{Out: &out}
	a.Err = &errs
	tripped := func(revision uint64, breaker string) commands.Answer {
		answer := commands.NewImportAnswer(revision, false, []domain.Event{&domain.BreakerTripped{Breaker: breaker}})
		answer.Events = []commands.EventRef{{Revision: revision, Type: domain.BreakerTrippedType, ID: uuid.New()}}
		return answer
	}
	first, other := tripped(7, "daily_loss"), tripped(7, "portfolio_drawdown")
	for _, answer := range []commands.Answer{first, other, other} {
		raw, err := json.Marshal(answer)
		require.NoError(t, err)
		a.noteTripped(raw)
	}
	require.NoError(t, a.Done(commands.Answer{Revision: 8}, "done"))
	require.Len(t, a.tripped, 3, "not yet said")
	a.sayTripped(a.Printer(), other)
	require.Len(t, a.tripped, 1)
	a.tripped = []commands.Answer{first, first}
	a.tellTripped()
	require.Empty(t, a.tripped)
	require.Equal(t, 1, strings.Count(out.String(), "TRIPPED by this: portfolio_drawdown"))
	require.Equal(t, 1, strings.Count(errs.String(), "TRIPPED by this: daily_loss"))
}
