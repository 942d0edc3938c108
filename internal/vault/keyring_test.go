package vault

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/fernet/fernet-go"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "kid = first 8 hex of SHA-256 of the Fernet key."
func TestKeyID(t *testing.T) {
	raw, err := base64.URLEncoding.DecodeString(keyB)
	require.NoError(t, err)
	sum := sha256.Sum256(raw)
	ring := ringOf(t, keyB, keyA)
	require.Equal(t, hex.EncodeToString(sum[:])[:8], ring.Current())
	require.Len(t, ring.Retired(), 1)
	require.NotEqual(t, ring.Current(), ring.Retired()[0])
	require.Equal(t, ringOf(t, keyA, "").Current(), ring.Retired()[0])
	require.Empty(t, ringOf(t, keyA, "").Retired())
}

// A generated key is one that is accepted, and never the same.
func TestGenerateKey(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		key := GenerateKey()
		require.False(t, seen[key])
		seen[key] = true
		ringOf(t, key, "")
	}
}

// encoded is base64 of 32 bytes made by a function.
func encoded(f func(i int) byte) string {
	raw := make([]byte, 32)
	for i := range raw {
		raw[i] = f(i)
	}
	return base64.URLEncoding.EncodeToString(raw)
}

// "Reject all-zero or low-entropy constant keys, non-canonical base64, trailing
// junk, wrong length; errors never echo the value."
func TestBadKeysAreRefused(t *testing.T) {
	raw, _ := base64.URLEncoding.DecodeString(keyB)
	bad := map[string]string{
		"empty":                "",
		"zeros":                encoded(func(int) byte { return 0 }),
		"ones":                 encoded(func(int) byte { return 0xff }),
		"two bytes":            encoded(func(i int) byte { return byte(i%2) * 7 }),
		"15 different bytes":   encoded(func(i int) byte { return byte(min(i, 14)*min(i, 14)) ^ 0xa5 }),
		"counting":             encoded(func(i int) byte { return byte(i) }),
		"counting down by 7":   encoded(func(i int) byte { return byte(200 - 7*i) }),
		"text":                 base64.URLEncoding.EncodeToString([]byte("correct horse battery staple, 32")),
		"text to the last":     base64.URLEncoding.EncodeToString([]byte("~correct horse battery staple 3 ")),
		"twice the same half":  base64.URLEncoding.EncodeToString(append(raw[:16:16], raw[:16]...)),
		"hexadecimal":          hex.EncodeToString(raw),
		"standard base64":      base64.StdEncoding.EncodeToString(raw),
		"no padding":           strings.TrimSuffix(keyB, "="),
		"31 bytes":             base64.URLEncoding.EncodeToString(raw[:31]),
		"33 bytes":             base64.URLEncoding.EncodeToString(append(raw[:32:32], 9)),
		"other last bits":      keyB[:42] + "5=",
		"junk behind":          keyB + "x",
		"more behind":          keyB + "AAAA",
		"a space behind":       keyB + " ",
		"a space before":       " " + keyB,
		"a line break":         keyB + "\n",
		"a line break within":  keyB[:20] + "\n" + keyB[20:],
		"a carriage return":    keyB[:20] + "\r" + keyB[20:],
		"quotes":               `"` + keyB + `"`,
		"two keys":             keyB + "," + keyA,
		"a letter not base64":  "%" + keyB[1:],
		"a letter not base64 ": keyB[:30] + "+" + keyB[31:],
	}
	for name, text := range bad {
		t.Run(name, func(t *testing.T) {
			_, err := ParseKeyring(text, "")
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.ErrorContains(t, err, currentVariable)
			noEcho(t, err, text)
			if text == "" || name == "two keys" {
				return // none, and two, are right there
			}
			_, err = ParseKeyring(keyA, text)
			require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
			require.ErrorContains(t, err, retiredVariable)
			noEcho(t, err, text)
		})
	}
}

// 16 different bytes are enough, 15 are not: random ones have about 30.
func TestWeaknessAtItsLimit(t *testing.T) {
	values := []byte{3, 141, 59, 26, 53, 58, 97, 93, 238, 46, 200, 38, 32, 79, 50, 28}
	spread := func(different int) *fernet.Key {
		var key fernet.Key
		for i := range key {
			key[i] = values[i%different]
			if i >= 16 {
				key[i] = values[(7*i+3)%different]
			}
		}
		return &key
	}
	distinct := func(k *fernet.Key) int {
		seen := map[byte]bool{}
		for _, b := range k {
			seen[b] = true
		}
		return len(seen)
	}
	enough, few := spread(16), spread(15)
	require.Equal(t, 16, distinct(enough))
	require.Equal(t, 15, distinct(few))
	require.Empty(t, weakness(enough))
	require.NotEmpty(t, weakness(few))
}

// "Reject … duplicates (the same key in both)."
func TestAKeyStandsOnce(t *testing.T) {
	for _, retired := range []string{keyA, keyB + "," + keyA, keyB + "," + keyB} {
		_, err := ParseKeyring(keyA, retired)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err))
		require.ErrorContains(t, err, "already listed")
		noEcho(t, err, keyA)
	}
	for _, retired := range []string{",", keyB + ",", "," + keyB, keyB + ",," + GenerateKey(), keyB + ", " + GenerateKey()} {
		_, err := ParseKeyring(keyA, retired)
		require.Equal(t, domain.CodeInvalid, domain.CodeOf(err), retired)
	}
}

// The keyring has a bound.
func TestRetiredKeysAreBounded(t *testing.T) {
	keys := make([]string, maxRetired+1)
	for i := range keys {
		keys[i] = GenerateKey()
	}
	require.Len(t, ringOf(t, keyA, strings.Join(keys[1:], ",")).Retired(), maxRetired)
	_, err := ParseKeyring(keyA, strings.Join(keys, ","))
	require.ErrorContains(t, err, "the most is 100")
}

// A wiped keyring does nothing any more, and its bytes are gone.
func TestWipedKeyring(t *testing.T) {
	ring := ringOf(t, keyA, keyB)
	k := openStore(t, filepath.Join(t.TempDir(), "keys"), ring)
	fill(t, k, 1)
	inside := []*fernet.Key{ring.ring().keys[0].key, ring.ring().keys[1].key}
	copied := *ring
	ring.Wipe()
	for _, key := range inside {
		require.True(t, *key == fernet.Key{})
	}
	require.Empty(t, ring.Current())
	require.Empty(t, ring.Retired())
	require.Empty(t, copied.Current(), "a copy is the same keyring")
	require.ErrorIs(t, k.withKey("w0", nothing), ErrWiped)
	_, err := k.Create("w1", Path(1), testKey(t, 1))
	require.ErrorIs(t, err, ErrWiped)
	_, err = Open(t.TempDir(), ring)
	require.ErrorIs(t, err, ErrWiped)
	_, err = Open(t.TempDir(), nil)
	require.ErrorIs(t, err, ErrWiped)
	require.Empty(t, new(Keyring).Current())
	ring.Wipe()
}

// Wipe waits for keys in use, and races with nobody.
func TestWipeWhileInUse(t *testing.T) {
	ring := ringOf(t, keyA, "")
	id := ring.Current()
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 100 {
				_, err := ring.use(id, func(key *fernet.Key) error {
					if (*key == fernet.Key{}) {
						t.Error("wiped while in use")
					}
					return nil
				})
				if err != nil {
					return
				}
			}
		})
	}
	ring.Wipe()
	group.Wait()
}
