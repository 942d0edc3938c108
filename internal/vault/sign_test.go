package vault

import (
	"crypto/sha256"
	"math/big"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"github.com/stretchr/testify/require"
)

type bigInt = big.Int

func sha(b []byte) [32]byte { return sha256.Sum256(b) }

func recoverSigner(t *testing.T, digest [32]byte, signature Signature) Address {
	t.Helper()
	public, err := crypto.SigToPub(digest[:], signature[:])
	require.NoError(t, err)
	return crypto.PubkeyToAddress(*public)
}
