package vault

import (
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/btcsuite/btcd/btcutil/hdkeychain"
	"github.com/ethereum/go-ethereum/common"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

type bip32Vectors struct {
	Derivations []struct {
		Vector           int
		Seed, Path, XPrv string
	}
	Invalid []struct{ Key, Why string }
}

// BIP-32, test vectors 1 to 4: each path from each seed gives this private key.
// Vectors 3 and 4 are about leading zeros. The key of m itself we never use, so
// its path is refused.
func TestBIP32(t *testing.T) {
	var v bip32Vectors
	load(t, "bip32.json", &v)
	require.Len(t, v.Derivations, 17)
	for _, d := range v.Derivations {
		seed, err := hex.DecodeString(d.Seed)
		require.NoError(t, err)
		key, err := deriveKey(seed, d.Path)
		if d.Path == "m" {
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			continue
		}
		require.NoError(t, err)
		node, err := hdkeychain.NewKeyFromString(d.XPrv)
		require.NoError(t, err)
		private, err := node.ECPrivKey()
		require.NoError(t, err)
		require.NoError(t, key.use(func(secret *[keyBytes]byte) error {
			require.Equal(t, private.Serialize(), secret[:], "vector %d, %s", d.Vector, d.Path)
			return nil
		}))
	}
}

// BIP-32, test vector 5: these are not extended keys. We never read one, from
// anywhere: a key comes from a mnemonic. The library refuses those that hold no
// valid key; the others it takes, which would matter if we did.
func TestBIP32Invalid(t *testing.T) {
	var v bip32Vectors
	load(t, "bip32.json", &v)
	require.Len(t, v.Invalid, 16)
	refused := 0
	for _, bad := range v.Invalid {
		if _, err := hdkeychain.NewKeyFromString(bad.Key); err != nil {
			refused++
		}
		_, err := RecoverMnemonic([]byte(bad.Key))
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), bad.Why)
		_, err = parsePath(bad.Key)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), bad.Why)
		_, err = newPrivateKey([]byte(bad.Key))
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), bad.Why)
	}
	require.Positive(t, refused)
}

// Seeds of 128 to 512 bits, says BIP-32.
func TestSeedLength(t *testing.T) {
	for n, fine := range map[int]bool{15: false, 16: true, 64: true, 65: false} {
		_, err := deriveKey(make([]byte, n), Path(0))
		require.Equal(t, fine, err == nil, n)
	}
}

// "BIP-44 m/44'/60'/0'/0/i", against addresses that everybody knows.
func TestKnownAddresses(t *testing.T) {
	known := map[string][]string{
		"test test test test test test test test test test test junk": { // the accounts of Hardhat and Anvil
			"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266",
			"0x70997970C51812dc3A010C7d01b50e0d17dc79C8",
			"0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC",
			"0x90F79bf6EB2c4f870365E785982E1f101E93b906",
			"0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65",
		},
		"abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about": {
			"0x9858EfFD232B4033E47d90003D41EC34EcaEda94",
		},
	}
	for words, addresses := range known {
		m, err := RecoverMnemonic([]byte(words))
		require.NoError(t, err)
		for i, want := range addresses {
			require.NoError(t, m.Derive(Path(uint32(i)), nil, func(key *PrivateKey) error {
				require.Equal(t, want, key.Address().Hex())
				return nil
			}))
		}
	}
	// The first key of Hardhat, which it prints at every start.
	m, err := RecoverMnemonic([]byte("test test test test test test test test test test test junk"))
	require.NoError(t, err)
	require.NoError(t, m.Derive(Path(0), nil, func(key *PrivateKey) error {
		return key.use(func(secret *[keyBytes]byte) error {
			require.Equal(t, "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80", hex.EncodeToString(secret[:]))
			return nil
		})
	}))
}

var badPaths = []string{
	"", "m", "m/", "/", "m//0", "44'/60'/0'/0/0", "0", "m/44'/60'/0'/0/0/", " m/44'/60'/0'/0/0", "m/44'/60'/0'/0/0 ", "m/ 44'",
	"M/44'", "m/44h", "m/0x2c'", "m/044'", "m/-1", "m/+1", "m/4294967296", "m/2147483648'", "m/2147483648", "m/1e3", "m/1_0", "n/0",
	"m" + strings.Repeat("/0", maxPathDepth+1), "m/44’/60’", Path(1 << 31),
}

// A path is written in one way.
func TestPaths(t *testing.T) {
	require.Equal(t, "m/44'/60'/0'/0/5", Path(5))
	for _, path := range badPaths {
		_, err := parsePath(path)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), path)
		require.ErrorIs(t, must2(deriveKey(make([]byte, 64), path)), err, path)
	}
	for _, path := range []string{"m/0", "m/0'", Path(0), Path(1<<31 - 1), "m/2147483647'", "m" + strings.Repeat("/0", maxPathDepth)} {
		_, err := parsePath(path)
		require.NoError(t, err, path)
	}
}

// must2 turns an error that is equal in text into the same for ErrorIs.
func must2(_ *PrivateKey, err error) error { return sameText{err} }

type sameText struct{ error }

func (s sameText) Is(other error) bool { return s.Error() == other.Error() }

// Sign: r ‖ s ‖ v, v 0 or 1, s in the lower half, deterministic, by the address.
func TestSign(t *testing.T) {
	half, _ := new(bigInt).SetString("7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0", 16)
	seen := map[byte]int{}
	for n := range 64 {
		key := testKey(t, byte(n))
		digest := [32]byte{byte(n), 1}
		signature, err := key.Sign(digest)
		require.NoError(t, err)
		again, err := key.Sign(digest)
		require.NoError(t, err)
		require.Equal(t, signature, again)
		require.Less(t, signature[64], byte(2))
		seen[signature[64]]++
		require.LessOrEqual(t, new(bigInt).SetBytes(signature[32:64]).Cmp(half), 0)
		require.Equal(t, key.Address(), recoverSigner(t, digest, signature))
	}
	require.Len(t, seen, 2, "both values of v")
}

// A published vector of RFC 6979 on secp256k1: key 1, digest SHA-256 of "Satoshi
// Nakamoto" (Bitcoin's libraries all test it).
func TestSignKnownVector(t *testing.T) {
	secret := make([]byte, 32)
	secret[31] = 1
	key, err := newPrivateKey(secret)
	require.NoError(t, err)
	require.Equal(t, common.HexToAddress("0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"), key.Address())
	signature, err := key.Sign(sha([]byte("Satoshi Nakamoto")))
	require.NoError(t, err)
	require.Equal(t, "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8"+"2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5", fmt.Sprintf("%x", signature[:64]))
}

// A private key is between 1 and the order of the curve, and 32 bytes.
func TestKeysAtTheLimits(t *testing.T) {
	const order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd03641"
	for text, fine := range map[string]bool{
		strings.Repeat("00", 32): false, strings.Repeat("00", 31) + "01": true, order + "40": true, order + "41": false, order + "42": false,
		strings.Repeat("ff", 32): false, "01": false, "": false, strings.Repeat("00", 32) + "01": false,
	} {
		secret, _ := hex.DecodeString(text)
		_, err := newPrivateKey(secret)
		require.Equal(t, fine, err == nil, text)
		if !fine {
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.Equal(t, errNotAKey, err)
		}
	}
}

// The zero key is a wiped one.
func TestZeroKey(t *testing.T) {
	for _, key := range []*PrivateKey{nil, {}} {
		_, err := key.Sign([32]byte{1})
		require.ErrorIs(t, err, ErrWiped)
		require.Equal(t, Address{}, key.Address())
		key.Wipe()
	}
	_, err := sameKey(testKey(t, 0), &PrivateKey{})
	require.ErrorIs(t, err, ErrWiped)
	same, err := sameKey(testKey(t, 0), testKey(t, 1))
	require.NoError(t, err)
	require.False(t, same)
}
