package evm

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands/custody"
	"pets/domain"
	"pets/internal/chain"
	"pets/internal/vault"
)

func openKeys(t *testing.T, dir, current, retired string) *Keys {
	t.Helper()
	ring, err := vault.ParseKeyring(current, retired)
	require.NoError(t, err)
	store, err := vault.Open(dir, ring)
	require.NoError(t, err)
	return NewKeys(store, ring)
}

// "The same digest gets the same signature", also after the key was sealed anew; "a key
// of another address is ErrForeignKey".
func TestKeys(t *testing.T) {
	t.Parallel()
	dir, first, second := filepath.Join(t.TempDir(), "keys"), vault.GenerateKey(), vault.GenerateKey()
	keys := openKeys(t, dir, first, "")
	m, err := vault.ParseMnemonic([]byte(strings.Repeat("abandon ", 23) + "art"))
	require.NoError(t, err)
	var address vault.Address
	require.NoError(t, m.Derive(vault.Path(0), nil, func(key *vault.PrivateKey) error {
		address, err = keys.Create("hot-1", vault.Path(0), key)
		return err
	}))
	signature, err := keys.Sign(t.Context(), "hot-1", address.String(), [32]byte{1})
	require.NoError(t, err)

	anew := openKeys(t, dir, second, first)
	done, err := anew.Reencrypt("hot-1")
	require.NoError(t, err)
	require.Equal(t, custody.Resealed{Wallet: "hot-1", Address: address.String(), From: keys.Current(), To: anew.Current()}, done)
	again, err := anew.Sign(t.Context(), "hot-1", address.String(), [32]byte{1})
	require.NoError(t, err)
	require.Equal(t, signature, again)

	other := chain.Address{7}.String()
	require.ErrorIs(t, anew.Verify(t.Context(), "hot-1", other), custody.ErrForeignKey)
	signature, err = anew.Sign(t.Context(), "hot-1", other, [32]byte{1})
	require.ErrorIs(t, err, custody.ErrForeignKey)
	require.Zero(t, signature)
	require.Equal(t, domain.CodeInvalid, domain.CodeOf(anew.Verify(t.Context(), "hot-1", "0x1")))
	anew.Wipe()
	require.Error(t, anew.Verify(t.Context(), "hot-1", address.String()), "nothing can be opened any more")
}

// An error of the chain is one of custody's as well, and keeps its text.
func TestErrorsAreClassified(t *testing.T) {
	t.Parallel()
	for of, want := range map[error]error{
		chain.ErrDisagreement: custody.ErrChainDisagrees, chain.ErrWrongChain: custody.ErrChainDisagrees,
		chain.ErrToken: custody.ErrCannotPay, chain.ErrTransaction: custody.ErrCannotPay,
		chain.ErrUnderpriced: custody.ErrUnderpriced,
	} {
		err := fmt.Errorf("block 7: %w", of)
		got := classify(err)
		require.ErrorIs(t, got, want)
		require.ErrorIs(t, got, of)
		require.Equal(t, err.Error(), got.Error())
	}
	require.Equal(t, chain.ErrUnavailable, classify(chain.ErrUnavailable))
	require.NoError(t, classify(nil))
}
