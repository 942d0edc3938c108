package petstest

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/open"
)

// FirstEdition opens portfolio main in a folder under the first edition of the rules, as an
// earlier build did: no request of today opens one. Where imported is set, it is opened then,
// for an import.
func FirstEdition(t testing.TB, dir string, imported time.Time, change ...func(*domain.Policy)) {
	t.Helper()
	const id = "main"
	store, e, err := open.FreshEngine(dir)
	require.NoError(t, err)
	policy := domain.DefaultPolicy(domain.ModePaper)
	for _, f := range change {
		f(&policy)
	}
	c := commands.OpenPortfolio{ID: id, Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: policy}
	var at *commands.Import
	if !imported.IsZero() {
		c.Clock, at = domain.ClockImported, &commands.Import{At: imported, Source: "opened:1"}
	}
	_, err = e.Do(t.Context(), id, commands.Request{Caller: domain.Caller{User: "olga", Role: domain.RoleOperator}, Key: uuid.NewString(), Command: c, Import: at})
	require.NoError(t, err)
	e.Close()
	require.NoError(t, store.Close())
}
