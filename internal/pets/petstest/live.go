package petstest

import (
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/open"
	"pets/internal/testenv/signing"
)

// LiveStore makes a store in which portfolio real is live: two people have overridden
// the gate in a paper portfolio.
func LiveStore(t *testing.T, dir string) {
	t.Helper()
	store, e, err := open.FreshEngine(dir)
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	defer e.Close()
	signing.Register(t, e, store, "bob")
	do := func(user string, role domain.Role, portfolio string, c commands.Command) commands.Answer {
		c = signing.Signed(t, store, portfolio, user, c)
		a, err := e.Do(t.Context(), portfolio, commands.Request{Caller: domain.Caller{User: user, Role: role}, Key: uuid.NewString(), Command: c})
		require.NoError(t, err)
		return a
	}
	opening := commands.OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.NewPolicy(domain.ModePaper, domain.ClockWall, "USDC")}
	do("olga", domain.RoleOperator, "main", opening)
	asked := do("olga", domain.RoleOperator, "main", commands.RequestOverride{Kind: domain.OverrideGoLive, Portfolio: "real", Reason: "a month on paper"})
	agreed := do("bob", domain.RoleApprover, "main", commands.ConfirmOverride{Override: asked.ID})
	gate := domain.Gate{Portfolio: "main", Revision: agreed.Revision}
	evidence, err := commands.ReadEvidence(t.Context(), store, gate)
	require.NoError(t, err)
	opening.ID, opening.Mode, opening.Gate, opening.Evidence, opening.Defaults = "real", domain.ModeLive, &gate, evidence, domain.NewPolicy(domain.ModeLive, domain.ClockWall, "USDC")
	do("olga", domain.RoleOperator, "real", opening)
}
