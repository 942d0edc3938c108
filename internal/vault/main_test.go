package vault

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// childVariable names what a re-executed test binary does instead of testing.
const childVariable = "VAULT_TEST_CHILD"

// children are the things it can do.
var children = map[string]func() error{
	"reencrypt":      childReencrypt,
	"create":         childCreate,
	"panic":          childPanic,
	"dump":           childDump,
	"sign":           childSign,
	"sign-naively":   childSignNaively,
	"derive":         childDerive,
	"derive-naively": childDeriveNaively,
	"harden":         childHarden,
}

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		if err := children[name](); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(testenv.Patient(m))
}

// The keys of the tests. The second is the one of the Fernet specification.
const (
	keyA = "Vn3bU4cGxj0yPIYtH7GxWvB9vt5pYx1zQm9Yq0nC0Ek="
	keyB = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4="
)

func ringOf(t testing.TB, current, retired string) *Keyring {
	t.Helper()
	ring, err := ParseKeyring(current, retired)
	require.NoError(t, err)
	return ring
}

// testKey is a private key nobody has money on, different for each n.
func testKey(t testing.TB, n byte) *PrivateKey {
	t.Helper()
	key, err := newPrivateKey(testSecret(n))
	require.NoError(t, err)
	return key
}

func testSecret(n byte) []byte {
	secret, _ := hex.DecodeString("8f2a55949038a9610f50fb23b5883af3b4ecb3c3bb792cbcefbd1542c692be00")
	secret[31] = n
	return secret
}

// newStore is an empty keystore on disk under key A.
func newStore(t testing.TB) *Keystore {
	t.Helper()
	return openStore(t, filepath.Join(t.TempDir(), "keys"), ringOf(t, keyA, ""))
}

func openStore(t testing.TB, dir string, ring *Keyring) *Keystore {
	t.Helper()
	k, err := Open(dir, ring)
	require.NoError(t, err)
	return k
}

// fill creates n wallets, w0, w1, …, with testKey 0, 1, …
func fill(t testing.TB, k *Keystore, n int) {
	t.Helper()
	for i := range n {
		address, err := k.Create(fmt.Sprintf("w%d", i), Path(uint32(i)), testKey(t, byte(i)))
		require.NoError(t, err)
		require.Equal(t, testKey(t, byte(i)).Address(), address)
	}
}

// check says that n wallets of fill are there, whole, and nothing else.
func check(t testing.TB, k *Keystore, n int) {
	t.Helper()
	problems, err := k.Check()
	require.NoError(t, err)
	require.Empty(t, problems)
	entries, err := k.List()
	require.NoError(t, err)
	require.Len(t, entries, n)
	for i := range n {
		wallet := fmt.Sprintf("w%d", i)
		address, err := k.Address(wallet)
		require.NoError(t, err)
		require.Equal(t, testKey(t, byte(i)).Address(), address)
		path, err := k.DerivationPath(wallet)
		require.NoError(t, err)
		require.Equal(t, Path(uint32(i)), path)
	}
}

// fileNames are the names in the folder of a keystore, but for the lock's.
func fileNames(t testing.TB, k *Keystore) []string {
	t.Helper()
	names, err := k.fs.ReadDir(k.dir)
	require.NoError(t, err)
	var out []string
	for _, name := range names {
		if name != lockName {
			out = append(out, name)
		}
	}
	return out
}

// pathOf is the file of the n-th wallet of fill.
func pathOf(t testing.TB, k *Keystore, n int) string {
	t.Helper()
	return filepath.Join(k.dir, fileOf(fmt.Sprintf("w%d", n), testKey(t, byte(n)).Address()))
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	return data
}

func writeFile(t testing.TB, path string, data []byte) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, data, 0o600))
}

// load reads testdata.
func load(t testing.TB, name string, into any) {
	t.Helper()
	require.NoError(t, json.Unmarshal(readFile(t, filepath.Join("testdata", name)), into))
}

func nothing(*PrivateKey) error { return nil }

// noEcho says that an error repeats no part of a secret text.
func noEcho(t testing.TB, err error, secret string) {
	t.Helper()
	require.Error(t, err)
	for i := 0; i+6 <= len(secret); i++ {
		require.NotContains(t, strings.ToLower(err.Error()), strings.ToLower(secret[i:i+6]), "part of the secret")
	}
}
