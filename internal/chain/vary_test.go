package chain_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/chain"
)

// "The later one is made different (another fee within its approved cap)": the same payment
// as another transaction, each time another one, and none costs more than was approved.
func TestAPaymentAsAnotherTransaction(t *testing.T) {
	w := newWorld(t)
	for _, whole := range []bool{false, true} {
		how := w.transfer(w.usd, "5")
		how.WholeFee = whole
		u, err := w.live.Prepare(t.Context(), how)
		require.NoError(t, err)
		u.Tip = chain.NewUnits(min(5e9, u.MaxFee.Big().Uint64()) - 2) // two below the most: the registry's, or all
		seen := map[[32]byte]bool{}
		for range 6 {
			digest, err := u.Digest()
			require.NoError(t, err)
			require.False(t, seen[digest], "%+v", u)
			seen[digest] = true
			next, err := w.live.Vary(u)
			require.NoError(t, err)
			require.LessOrEqual(t, next.MaxFee.Cmp(u.MaxFee), 0)
			require.LessOrEqual(t, next.Tip.Cmp(chain.NewUnits(5e9)), 0)
			same := next
			same.Fees = u.Fees
			require.Equal(t, u, same, "nothing but the fees differs")
			u = next
		}
	}
}
