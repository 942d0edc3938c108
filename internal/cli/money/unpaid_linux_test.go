package money_test

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/internal/pets/petstest"
)

// "A mismatch is … said by pets wallet": of the hot wallet of a portfolio that counts in what no
// known order is paid in. One that is paid is not spoken of, nor is a cold wallet.
func TestTheWalletsSayThatNoOrderIsPaid(t *testing.T) {
	t.Parallel()
	s := petstest.LiveShell(t)
	s.Register("vault", domain.WalletCold, petstest.AccountOf(t, petstest.TestWords, 0))
	s.Register("trading", domain.WalletHot, petstest.OtherFirst)
	r := s.Run("wallet", "list")
	require.Equal(t, 0, r.Code)
	require.NotContains(t, r.Err, "no known order")

	shapes, err := os.ReadFile("../../typeddata/shapes.json")
	require.NoError(t, err)
	const current, other = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB", "0x3c499c542cEF5E3811e1192ce70d8cC03d5c3359"
	require.Contains(t, string(shapes), current)
	s.SetEnv("PETS_ORDER_SHAPES", s.File("shapes.json", strings.ReplaceAll(string(shapes), current, other)))
	r = s.Run("wallet", "list")
	require.Equal(t, 0, r.Code)
	said := strings.Join(strings.Fields(r.Err), " ")
	require.Contains(t, said, "WARNING: wallet trading: no known order on eip155:137 is paid in USDC (eip155:137/erc20:"+current+")")
	require.NotContains(t, said, "wallet vault")
	var v struct{ Warnings []string }
	petstest.ReadJSON(t, s.Run("wallet", "list", "--json").Out, &v)
	require.Len(t, v.Warnings, 1)
}
