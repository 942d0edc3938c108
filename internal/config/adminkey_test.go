package config

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const goodKey = "pets_T3stK9vQ2mXw7RzL4bNcY8hJ6fDsA1gPuE5oWiVkZq0"

// "Weak values of the admin key refused (length, alphabet, entropy, repeats, the example)".
func TestWeakAdminKeys(t *testing.T) {
	for _, key := range []string{
		strings.Repeat("a", 40), strings.Repeat("ab", 20), strings.Repeat("abc123XYZ0", 4), "0123456789012345678901234567890123456789",
		"abcdefghijklmnopqrstuvwxyz0123456789", "test-admin-key-0123456789-0123456789-0123456789", "change-me-please-x7Kq9TzB2mWv4RnL8pYc",
		"my-very-Secret-x7Kq9TzB2mWv4RnL8pYcD", "correcthorsecorrecthorsecorrecthorse", "11111111112222222222333333333344444444445",
	} {
		require.NotEmpty(t, weak(key), key)
		_, from, err := Config{AdminKey: NewSecret(key)}.FirstAdminKey()
		require.ErrorContains(t, err, "PETS_ADMIN_KEY holds a key that can be guessed", key)
		require.NotContains(t, err.Error(), key)
		require.Equal(t, "PETS_ADMIN_KEY", from)
	}
	bad := map[string]int{}
	const rounds = 2_000
	for range rounds {
		b := make([]byte, 32)
		_, _ = rand.Read(b)
		for name, key := range map[string]string{
			"hex": hex.EncodeToString(b), "short hex": hex.EncodeToString(b[:16]), "base32": base32.StdEncoding.EncodeToString(b),
			"base64": base64.StdEncoding.EncodeToString(b), "short base64": base64.RawURLEncoding.EncodeToString(b[:24]),
		} {
			if weak(key) != "" {
				bad[name]++
			}
		}
	}
	for name, n := range bad {
		require.Less(t, n, rounds/100, "%s: what was drawn at random is let through", name)
	}
}

// "PETS_ADMIN_KEY_FILE (file 0600 of the user or root; refused otherwise), not together with
// PETS_ADMIN_KEY".
func TestAdminKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "admin.key")
	write := func(text string, mode os.FileMode) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		require.NoError(t, os.Chmod(path, mode))
	}
	c := Config{AdminKeyFile: path}
	_, _, err := c.FirstAdminKey()
	require.ErrorContains(t, err, "PETS_ADMIN_KEY_FILE cannot be used")
	for _, text := range []string{goodKey, goodKey + "\n", goodKey + "\r\n"} {
		write(text, 0o600)
		key, from, err := c.FirstAdminKey()
		require.NoError(t, err)
		require.Equal(t, goodKey, key)
		require.Equal(t, "PETS_ADMIN_KEY_FILE", from)
	}
	write(goodKey, 0o400)
	_, _, err = c.FirstAdminKey()
	require.NoError(t, err)
	for mode, want := range map[os.FileMode]string{0o640: "can read it", 0o604: "can read it", 0o620: "may write to it", 0o666: "may write to it"} {
		write(goodKey, mode)
		_, _, err := c.FirstAdminKey()
		require.ErrorContains(t, err, want, mode)
	}
	for name, text := range map[string]string{"empty": "", "two lines": goodKey + "\n" + goodKey, "short": "pets_abc", "long": strings.Repeat(goodKey, 9), "spaces": "a " + goodKey} {
		write(text, 0o600)
		_, _, err := c.FirstAdminKey()
		require.ErrorContains(t, err, "PETS_ADMIN_KEY_FILE must hold", name)
	}
	if os.Geteuid() == 0 {
		write(goodKey, 0o600)
		require.NoError(t, os.Chown(path, 65534, 65534))
		_, _, err := c.FirstAdminKey()
		require.ErrorContains(t, err, "user 65534 owns it")
	}
	_, _, err = Config{AdminKeyFile: dir}.FirstAdminKey()
	require.ErrorContains(t, err, "not a plain file")
	_, err = Load(t.TempDir(), []string{"PETS_ADMIN_KEY=" + goodKey, "PETS_ADMIN_KEY_FILE=" + path})
	require.ErrorContains(t, err, "PETS_ADMIN_KEY_FILE and PETS_ADMIN_KEY cannot both be set")
	key, from, err := Config{}.FirstAdminKey()
	require.NoError(t, err)
	require.Empty(t, key+from)
}
