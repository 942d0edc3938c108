package several_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/eventstore"
	"pets/eventstore/esdb"
	"pets/internal/esdbtest"
	"pets/internal/testenv"
)

var olga = domain.Caller{User: "olga", Role: domain.RoleOperator}

// Sixteen servers write to one stream as fast as they can: none of them fails a command because
// the others are always quicker.
func TestSixteenServersOnOneStream(t *testing.T) {
	t.Parallel()
	const writers = 16
	commandsEach := testenv.Rounds(3, 8, 100)
	database := esdbtest.Start(t, esdbtest.Options{})
	engines := make([]*commands.Engine, writers)
	for i := range engines {
		engines[i] = engineOn(t, database.URL())
		if i == 0 {
			_, err := engines[0].Do(t.Context(), portfolio, commands.Request{Caller: olga, Key: "open", Command: commands.OpenPortfolio{
				ID: portfolio, Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Defaults: domain.DefaultPolicy(domain.ModePaper),
			}})
			require.NoError(t, err)
		}
		require.NoError(t, engines[i].Load(t.Context(), nil))
	}
	waits := make([][]time.Duration, writers)
	began := time.Now()
	var group sync.WaitGroup
	for i, e := range engines {
		group.Go(func() {
			for n := range commandsEach {
				asked := time.Now()
				_, err := e.Do(t.Context(), portfolio, commands.Request{
					Caller: olga, Key: fmt.Sprint("writer ", i, " command ", n), Command: commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.One},
				})
				if err != nil {
					t.Errorf("writer %d, command %d: %v", i, n, err)
				}
				waits[i] = append(waits[i], time.Since(asked))
			}
		})
	}
	group.Wait()
	took := time.Since(began)
	worst, at := time.Duration(0), 0
	for i, w := range waits {
		for _, one := range w {
			if one > worst {
				worst, at = one, i
			}
		}
	}
	n := writers * commandsEach
	t.Logf("%d commands in %s: %.0f/s; the longest wait was %s, of writer %d; %d appends reached the database", n, took.Round(time.Millisecond), float64(n)/took.Seconds(), worst.Round(time.Millisecond), at, database.Calls(esdbtest.CallAppend))
	deposits := 0
	for _, r := range database.Cluster().Events(commands.Stream(portfolio)) {
		if r.Type == domain.DepositRecordedType {
			deposits++
		}
	}
	require.Equal(t, n, deposits)
}

// engineOn is a server's engine with a store of its own.
func engineOn(t *testing.T, url string) *commands.Engine {
	t.Helper()
	address, err := esdb.Parse(url)
	require.NoError(t, err)
	store, err := esdb.Open(t.Context(), address, esdb.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, eventstore.Store(store).Close()) })
	e := commands.NewEngine(store, commands.EngineOptions{})
	t.Cleanup(e.Close)
	return e
}
