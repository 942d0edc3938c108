package custody_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/commands/custody"
	"pets/domain"
	"pets/internal/chain/chaintest"
)

// "A live portfolio whose base asset no order shape of its chain pays": its token is settled by
// the first wallet of the chain, which is refused then. One that has its token keeps it.
func TestTheFirstWalletsTokenPaysOrders(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.inMemory()
	paying := []string{chainID + "/erc20:" + chaintest.Named("another token").Hex()}
	strict := w.serve(s.truth, func(o *custody.Options) { o.Collaterals = func(string) []string { return paying } })
	another := func(portfolio, wallet string) error {
		return errorOf(strict.custody.RegisterWallet(s.ctx(), portfolio, by(alice, commands.RegisterWallet{
			Wallet: wallet, Place: domain.WalletCold, Chain: chainID, Address: chaintest.Named(wallet).Hex(),
		})))
	}
	require.NoError(t, another(main, "cold-7"), "the past stays as it is")

	fresh := s.live("fresh")
	err := another(fresh, "cold-8")
	s.code(domain.CodeConflict, err)
	require.ErrorContains(t, err, paying[0])
	paying = append(paying, s.usdc())
	require.NoError(t, another(fresh, "cold-8"))
	paying = nil // no order of the chain is known
	require.NoError(t, another(s.live("other"), "cold-10"))
}
