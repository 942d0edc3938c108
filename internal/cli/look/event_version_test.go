package look_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore/embedded"
	"pets/internal/open"
	"pets/internal/pets/petstest"
	"pets/projections"
	"pets/replay"
)

// fillByLots is fill.recorded.v1 as stored today, in a build whose v2 counts in shares where v1
// counted in lots of ten.
type fillByLots domain.FillRecorded

func inShares(old *fillByLots) *domain.FillRecorded {
	e := domain.FillRecorded(*old)
	ten := domain.MustDecimal("10")
	e.Quantity, e.Price = old.Quantity.Mul(ten), old.Price.Div(ten)
	mark := old.Mark.Div(ten)
	e.Mark = &mark
	return &e
}

// upgraded returns a store with fills stored as v1, read by a build with an upcaster to v2.
func upgraded(t *testing.T, up func(*fillByLots) *domain.FillRecorded) *petstest.Shell {
	t.Helper()
	s := petstest.New(t)
	s.Ok("import", "--capital", "100", s.File("fills.csv", "time,bot,market,outcome,side,quantity,price,fee,trade_id",
		"2026-03-01T10:00:00Z,alpha,m1,YES,buy,10,0.4,0.01,a1", "2026-03-01T11:00:00Z,beta,m2,YES,buy,6,0.5,0,b1"))
	require.Len(t, s.Events("--type", "fill.recorded.v1"), 2)
	require.NoError(t, os.RemoveAll(filepath.Join(s.Store(), open.CheckpointDir)), "as a build with another portfolio.Version does")
	domain.PretendVersion(t, "fill.recorded.v2", up)
	return s
}

// "A v2 goes through up for every reader": Decode, fold and projections read what was
// stored as v1, and so do `pets state` and `pets verify`.
func TestAnOldEventFolds(t *testing.T) {
	s := upgraded(t, inShares)
	store, err := embedded.OpenReadOnly(s.Store(), embedded.Options{})
	require.NoError(t, err)
	defer store.Close()
	trades, fold := projections.NewTrades(nil), portfolio.New()
	for rec, err := range store.ReadStream(t.Context(), commands.Stream("main"), 0) {
		require.NoError(t, err)
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		fold.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		if rec.Type == "fill.recorded.v1" {
			require.Equal(t, "fill.recorded.v2", e.EventType())
		}
	}
	runner := projections.NewRunner(store, commands.Stream("main"), trades)
	require.NoError(t, runner.CatchUp(t.Context(), projections.Point{}))
	report, err := replay.Verify(t.Context(), store, commands.Stream("main"), nil)
	require.NoError(t, err)
	require.Empty(t, report.Problems)
	runner.Read(func(state *portfolio.State) {
		for _, each := range []*portfolio.State{fold, state} {
			positions := projections.PositionsOf(each)
			require.Len(t, positions, 2)
			require.Equal(t, "100", positions[0].Quantity.String())
			require.Equal(t, "60", positions[1].Quantity.String())
			hash, err := each.Hash()
			require.NoError(t, err)
			require.Equal(t, hash, report.StateHash)
		}
	})

	require.Contains(t, s.Ok("positions"), "100")
	require.Contains(t, s.Ok("verify"), "all of it is there", "roots and ids are over the stored bytes, and those stay")
}

// `pets events` shows an event as this build understands it; its JSON also has the stored form.
func TestAnOldEventIsListed(t *testing.T) {
	s := upgraded(t, inShares)
	text := s.Ok("events", "--type", "fill.recorded")
	require.Contains(t, text, "fill.recorded\n        alpha bought 100 × m1/YES at 0.04")
	require.Contains(t, text, "fill.recorded\n        beta bought 60 × m2/YES at 0.05")
	require.NotContains(t, text, ".v")
	asJSON := s.Ok("events", "--type", "fill.recorded", "--json")
	require.Equal(t, 2, strings.Count(asJSON, `"type":"fill.recorded.v2","user":`))
	require.Regexp(t, `"data":\{"bot":"alpha",[^}]*"quantity":"100","price":"0.04"`, asJSON)
	require.Regexp(t, `"stored":\{"type":"fill.recorded.v1","data":\{"bot":"alpha",[^}]*"quantity":"10","price":"0.4"`, asJSON)
	for _, literal := range []string{"fill.recorded.v1", "fill.recorded.v2"} {
		require.Equal(t, asJSON, s.Ok("events", "--type", literal, "--json"), "whoever filters by the old literal goes on")
	}
	require.NotContains(t, s.Ok("events", "--type", "portfolio,deposit,bot", "--json"), `"stored"`)
}

// A server shows it as the folder does, and shows a bot its own part, in the version of this build
// and under its name.
func TestAServerTellsAnOldEvent(t *testing.T) {
	s := upgraded(t, inShares)
	here := []string{s.Ok("events"), s.Ok("events", "--json"), s.Ok("positions"), s.Ok("state", "--json")}
	serverURL := s.ServedHere()
	issue := func(user string, more ...string) *petstest.Shell {
		admin := &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + serverURL, "PETS_KEY=" + petstest.AdminKey}}
		secret := petstest.SecretPattern.FindString(admin.Ok(append([]string{"apikey", "issue", "--user", user}, more...)...))
		return &petstest.Shell{T: t, Dir: t.TempDir(), Ctx: t.Context(), Env: []string{"PETS_SERVER=" + serverURL, "PETS_KEY=" + secret}}
	}
	there := issue("ann", "--role", "auditor")
	require.Equal(t, here, []string{there.Ok("events"), there.Ok("events", "--json"), there.Ok("positions"), there.Ok("state", "--json")})
	there.Ok("stats", "--limit", "MAX_CONSECUTIVE_LOSSES=1") // computed from a copy of the history

	alpha := issue("alpha", "--role", "bot", "--bot", "alpha")
	require.Contains(t, alpha.Ok("events"), "alpha bought 100 × m1/YES at 0.04")
	asJSON := alpha.Ok("events", "--type", "fill.recorded", "--json")
	require.Equal(t, 1, strings.Count(asJSON, `"type":"fill.recorded.v2","user":`))
	require.Regexp(t, `"data":\{"bot":"alpha",[^}]*"quantity":"100","price":"0.04"`, asJSON)
	require.NotContains(t, asJSON, `"stored"`)
}

// Without the upcaster, no reader ignores the event.
func TestAnOldEventWithoutItsUpcaster(t *testing.T) {
	s := upgraded(t, nil)
	unknown := []string{`event type "fill.recorded.v1" is not known to this version of pets`}
	for _, args := range []string{"state", "positions", "trades", "verify", "stats", "equity"} {
		s.Fails(1, unknown, strings.Fields(args)...)
	}
	r := s.Run("events")
	require.Equal(t, 1, r.Code)
	require.Contains(t, r.Err, unknown[0])
	store, err := embedded.OpenReadOnly(s.Store(), embedded.Options{})
	require.NoError(t, err)
	defer store.Close()
	runner := projections.NewRunner(store, commands.Stream("main"))
	require.ErrorContains(t, runner.CatchUp(t.Context(), projections.Point{}), unknown[0])
	_, err = replay.Verify(t.Context(), store, commands.Stream("main"), nil)
	require.ErrorContains(t, err, unknown[0])
}
