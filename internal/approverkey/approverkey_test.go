package approverkey_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"pets/domain/approval"
	"pets/internal/approverkey"
)

var (
	phrase  = []byte("a passphrase of a test")
	subject = approval.Subject{Ledger: "ledger-1", Portfolio: "main", Kind: "transfer", Lines: []string{"transfer: x1"}}
)

// "File mode 0600, never overwritten, encrypted with a passphrase": what is made can be
// read by its owner only, and signs with that passphrase only.
func TestCreateAndSign(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "approver.key")
	public, err := approverkey.Create(path, phrase)
	require.NoError(t, err)
	for name, mode := range map[string]os.FileMode{path: 0o600, filepath.Dir(path): 0o700 | os.ModeDir} {
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Equal(t, mode, info.Mode(), name)
	}
	k, err := approverkey.Open(path)
	require.NoError(t, err)
	require.Equal(t, public, k.Public())
	_, err = k.Sign(subject, []byte("a passphrase of a tesT"))
	require.ErrorIs(t, err, approverkey.ErrPassphrase)
	_, err = k.Sign(subject, nil) // Enter alone
	require.ErrorIs(t, err, approverkey.ErrPassphrase, "a file that is intact is not called damaged")
	g, err := k.Sign(subject, phrase)
	require.NoError(t, err)
	require.NoError(t, approval.Verify(g, subject, public))

	before, err := os.ReadFile(path)
	require.NoError(t, err)
	_, err = approverkey.Create(path, phrase)
	require.ErrorContains(t, err, "is there already")
	after, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, before, after)
}

// A passphrase that is guessed at once is refused before anything is written.
func TestWeakPassphrases(t *testing.T) {
	for _, weak := range []string{"", "short", "elevenchars", "aaaaaaaaaaaaaaaa", string(make([]byte, 2000))} {
		path := filepath.Join(t.TempDir(), "k")
		_, err := approverkey.Create(path, []byte(weak))
		require.ErrorContains(t, err, "passphrase")
		require.NoFileExists(t, path)
	}
}

// "A planted key file or link": nothing is written through a link, and a file that is
// not the owner's own alone is not read.
func TestPlanted(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "approver.key")
	elsewhere := filepath.Join(dir, "elsewhere")
	require.NoError(t, os.Symlink(elsewhere, path))
	_, err := approverkey.Create(path, phrase)
	require.ErrorContains(t, err, "is there already")
	require.NoFileExists(t, elsewhere)

	_, err = approverkey.Create(elsewhere, phrase)
	require.NoError(t, err)
	_, err = approverkey.Open(path)
	require.ErrorContains(t, err, "no link")
	_, err = approverkey.Open(filepath.Join(dir, "none"))
	require.ErrorContains(t, err, "pets apikey request")
	require.NoError(t, os.Chmod(elsewhere, 0o640))
	_, err = approverkey.Open(elsewhere)
	require.ErrorContains(t, err, "chmod 600")
	require.NoError(t, os.Chmod(elsewhere, 0o600))
	require.NoError(t, os.Chmod(dir, 0o777))
	_, err = approverkey.Open(elsewhere)
	require.ErrorContains(t, err, "others can replace")
	_, err = approverkey.Create(filepath.Join(dir, "another"), phrase)
	require.ErrorContains(t, err, "others can replace")
	require.NoFileExists(t, filepath.Join(dir, "another"))
}

// What is not such a key is refused, above all one that is not encrypted, and one whose
// public half is another key's.
func TestOtherFiles(t *testing.T) {
	seed := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32))
	other := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32))
	plain, err := ssh.MarshalPrivateKey(seed, "")
	require.NoError(t, err)
	sealed, err := ssh.MarshalPrivateKeyWithPassphrase(seed, "", phrase)
	require.NoError(t, err)
	whole := pem.EncodeToMemory(sealed)
	put := func(text []byte) string {
		path := filepath.Join(t.TempDir(), "k")
		require.NoError(t, os.WriteFile(path, text, 0o600))
		return path
	}
	for want, text := range map[string][]byte{
		"not encrypted":  pem.EncodeToMemory(plain),
		"something else": append(bytes.Clone(whole), whole...),
		"larger than":    bytes.Repeat([]byte("x"), 20<<10),
		"is damaged":     pem.EncodeToMemory(&pem.Block{Type: sealed.Type, Bytes: sealed.Bytes[:40]}),
	} {
		_, err := approverkey.Open(put(text))
		require.ErrorContains(t, err, want)
	}
	mixed := bytes.Replace(sealed.Bytes, seed[32:], other[32:], 1)
	k, err := approverkey.Open(put(pem.EncodeToMemory(&pem.Block{Type: sealed.Type, Bytes: mixed})))
	if err == nil {
		_, err = k.Sign(subject, phrase)
	}
	require.Error(t, err)
	require.NotErrorIs(t, err, approverkey.ErrPassphrase)
}
