package cli_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/cli"
)

// "Flag is what to add where there is no terminal to ask at": a question that names none, and is
// not asked at a terminal of its own, is a defect, whoever sits there and whatever was given.
func TestAQuestionNamesItsFlag(t *testing.T) {
	t.Parallel()
	a := &cli.App{Ask: func(string) (bool, bool) { return true, true }}
	for _, q := range []cli.Question{{Text: "Pay?"}, {Text: "Pay?", Yes: true}, {Text: "Pay?", Seen: true}} {
		require.Equal(t, domain.CodeInternal, domain.CodeOf(a.Agree(t.Context(), q)))
		q.Flag = "--yes"
		require.NoError(t, a.Agree(t.Context(), q))
	}
}
