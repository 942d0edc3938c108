package vault

import (
	"bytes"
	"encoding/base64"
	"encoding/gob"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"github.com/fernet/fernet-go"
	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// findSecret names the form in which the secret, or a half of it, is there.
func findSecret(secret, where []byte) string {
	for _, part := range [][]byte{secret, secret[:len(secret)/2], secret[len(secret)/2:]} {
		for name, form := range testenv.Forms(part) {
			if bytes.Contains(where, form) {
				return name
			}
		}
	}
	return ""
}

// The search finds what it is to find: a canary that never sings proves nothing.
func TestCanariesSing(t *testing.T) {
	secret := testSecret(0)
	for _, text := range []string{
		fmt.Sprintf("%x", secret), fmt.Sprintf("%X", secret), fmt.Sprintf("%v", secret), string(secret), fmt.Sprintf("%#v", secret),
		fmt.Sprintf("%q", secret), fmt.Sprintf("%d", new(big.Int).SetBytes(secret)), string(must(json.Marshal(secret))), fmt.Sprintf("%+v", struct{ a [32]byte }{[32]byte(secret)}),
	} {
		require.NotEmpty(t, findSecret(secret, []byte("before"+text+"after")), text)
	}
	require.Empty(t, findSecret(secret, []byte("nothing")))
}

var verbs = func() []string {
	var out []string
	for v := 'A'; v <= 'z'; v++ {
		for _, flag := range []string{"%", "%+", "%#", "% ", "%0", "%-40", "%.3", "%+#"} {
			out = append(out, flag+string(v))
		}
	}
	return out
}()

// holder is what careless code would make: a secret in the unexported field of a
// struct, where no method of its own is asked.
type holder struct {
	Public  any
	private any
	list    []any
	table   map[string]any
}

// everyPrint is all that this program could print about a value.
func everyPrint(t *testing.T, value any) []byte {
	t.Helper()
	var out bytes.Buffer
	wrapped := []any{
		value, &value,
		holder{value, value, []any{value}, map[string]any{"k": value}},
		&holder{value, value, []any{value}, map[string]any{"k": value}},
		[]any{value},
		map[string]any{"k": value},
		fmt.Errorf("wrapped: %v", value),
	}
	for _, v := range wrapped {
		for _, verb := range verbs {
			fmt.Fprintf(&out, verb+"\n", v)
		}
		fmt.Fprintln(&out, v)
		for _, handler := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			logger := slog.New(handler)
			logger.Info("a", "k", v)
			logger.With("k", v).WithGroup("g").Error("b", slog.Any("v", v), slog.Group("h", "k", v))
		}
		if encoded, err := json.Marshal(v); err == nil {
			out.Write(encoded)
		}
		_ = gob.NewEncoder(&out).Encode(v)
	}
	printed := &quietT{}
	require.Equal(printed, holder{Public: value}, holder{Public: 1}) // testify prints a difference
	require.Nil(printed, value)
	out.Write(printed.Bytes())
	return out.Bytes()
}

// quietT collects what a failing assertion prints.
type quietT struct{ bytes.Buffer }

func (q *quietT) Errorf(format string, args ...any) { fmt.Fprintf(q, format, args...) }
func (q *quietT) FailNow()                          {}

// "No %v %+v %#v %x, slog, json prints it": key, keyring, mnemonic, as values and
// as pointers.
func TestSecretsCannotBePrinted(t *testing.T) {
	key, ring := testKey(t, 0), ringOf(t, keyA, keyB)
	m, err := ParseMnemonic([]byte(sentence24))
	require.NoError(t, err)
	store := newStore(t)
	rawA, _ := base64.URLEncoding.DecodeString(keyA)
	rawB, _ := base64.URLEncoding.DecodeString(keyB)
	entropy := []byte("abandon abandon")
	numbers := []byte(strings.Trim(fmt.Sprint(m.words().numbers), "[]"))
	for _, value := range []any{key, *key, ring, *ring, m, *m, store, *store, content{"w", key.Address(), Path(0), key}} {
		printed := everyPrint(t, value)
		require.Greater(t, len(printed), 1000)
		for _, secret := range [][]byte{testSecret(0), rawA, rawB} {
			require.Empty(t, findSecret(secret, printed), "%T", value)
		}
		require.NotContains(t, string(printed), string(entropy), "%T", value)
		require.NotContains(t, string(printed), string(numbers), "%T", value)
		require.NotContains(t, string(printed), keyA)
	}
	// The same means find a secret that stands in a field.
	require.NotEmpty(t, findSecret(testSecret(0), everyPrint(t, struct{ secret [32]byte }{[32]byte(testSecret(0))})))
}

// "MarshalText-that-refuses": nothing encodes them, and they say (hidden).
func TestSecretsCannotBeEncoded(t *testing.T) {
	for _, value := range []any{testKey(t, 0), *testKey(t, 0), ringOf(t, keyA, ""), NewMnemonic(), *NewMnemonic()} {
		_, err := json.Marshal(map[string]any{"k": value})
		require.ErrorIs(t, err, ErrHidden)
		require.Error(t, gob.NewEncoder(&bytes.Buffer{}).Encode(value))
		require.Equal(t, hiddenText, fmt.Sprint(value))
		require.Equal(t, hiddenText, fmt.Sprintf("%#v", value))
		text, ok := value.(interface {
			fmt.Stringer
			fmt.GoStringer
			slog.LogValuer
			MarshalText() ([]byte, error)
			MarshalBinary() ([]byte, error)
		})
		require.True(t, ok)
		require.Equal(t, hiddenText+hiddenText+hiddenText, text.String()+text.GoString()+text.LogValue().String())
		require.ErrorIs(t, second(text.MarshalText()), ErrHidden)
		require.ErrorIs(t, second(text.MarshalBinary()), ErrHidden)
	}
}

// The folder holds no key in any form, nor do the errors of a damaged one.
func TestTheFolderHoldsNoSecret(t *testing.T) {
	k := newStore(t)
	fill(t, k, 3)
	k = openStore(t, k.dir, ringOf(t, keyB, keyA))
	require.NoError(t, rotate(k))
	var all []byte
	names, err := os.ReadDir(k.dir)
	require.NoError(t, err)
	for _, e := range names {
		all = append(append(all, e.Name()...), readFile(t, filepath.Join(k.dir, e.Name()))...)
	}
	rawA, _ := base64.URLEncoding.DecodeString(keyA)
	rawB, _ := base64.URLEncoding.DecodeString(keyB)
	for _, secret := range [][]byte{testSecret(0), testSecret(1), testSecret(2), rawA, rawB} {
		require.Empty(t, findSecret(secret, all))
	}
	require.NotContains(t, string(all), Path(0))
}

// A heap profile, which an operator may hand on, holds no secret.
func TestHeapProfile(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	m, err := ParseMnemonic([]byte(sentence24))
	require.NoError(t, err)
	defer m.Wipe()
	var profile bytes.Buffer
	require.NoError(t, k.withKey("w0", func(key *PrivateKey) error {
		_, err := key.Sign([32]byte{1})
		for _, name := range []string{"heap", "allocs", "goroutine"} {
			for debug := range 3 {
				err = errors.Join(err, pprof.Lookup(name).WriteTo(&profile, debug))
			}
		}
		return err
	}))
	require.Greater(t, profile.Len(), 1000)
	require.Empty(t, findSecret(testSecret(0), profile.Bytes()))
	require.NotContains(t, profile.String(), "abandon")
}

// The bytes of a closed key are zeros wherever this package put them: what
// decrypting and encrypting left in buffers of ours.
func TestBuffersAreWiped(t *testing.T) {
	ring := ringOf(t, keyA, "")
	c := content{"w0", testKey(t, 0).Address(), Path(0), testKey(t, 0)}
	plain, err := encodePlain(c)
	require.NoError(t, err)
	blob, err := ring.seal(c)
	require.NoError(t, err)
	got, err := ring.unseal("f", "w0", blob)
	require.NoError(t, err)
	require.Equal(t, c.path, got.path)
	_, err = decodePlain("f", plain)
	require.NoError(t, err)
	signer, err := signerOf(testSecret(0))
	require.NoError(t, err)
	words := signer.D.Bits() //nolint:staticcheck // as in wipeSigner
	wipeSigner(signer)
	for _, word := range words[:cap(words)] {
		require.Zero(t, word)
	}
	require.NotContains(t, fmt.Sprintf("%x", fernet.Key{}), "1")
}
