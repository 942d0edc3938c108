package vault

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fernet/fernet-go"
	"github.com/stretchr/testify/require"

	"pets/domain"
)

// "Truncation → ErrDamaged", at every length.
func TestTruncatedBlobs(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	whole := readFile(t, pathOf(t, k, 0))
	for n := range whole {
		writeFile(t, pathOf(t, k, 0), whole[:n])
		require.ErrorIs(t, k.withKey("w0", nothing), ErrDamaged, n)
	}
	writeFile(t, pathOf(t, k, 0), whole)
	check(t, k, 1)
}

// Every single byte flipped, in each of its bits: damaged. A changed key id asks
// for a key that nobody has.
func TestFlippedBits(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	whole := readFile(t, pathOf(t, k, 0))
	var missing, damaged int
	for i := range whole {
		for bit := range 8 {
			flipped := bytes.Clone(whole)
			flipped[i] ^= 1 << bit
			writeFile(t, pathOf(t, k, 0), flipped)
			err := k.withKey("w0", func(*PrivateKey) error { return fmt.Errorf("byte %d, bit %d was not noticed", i, bit) })
			var needs *MissingKeyError
			if i >= 6 && i < 14 && isKeyID(flipped[6:14]) {
				require.ErrorAs(t, err, &needs)
				require.Equal(t, string(flipped[6:14]), needs.KeyID)
				require.Equal(t, "w0", needs.Wallet)
				require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
				missing++
				continue
			}
			require.ErrorIs(t, err, ErrDamaged)
			damaged++
		}
	}
	require.Positive(t, missing)
	require.Greater(t, damaged, len(whole)*7)
}

// "Junk appended or prepended, non-canonical base64 → ErrDamaged."
func TestJunkAround(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	whole := string(readFile(t, pathOf(t, k, 0)))
	kid := k.ring.Current()
	bad := map[string]string{
		"key id in capitals":   strings.Replace(whole, kid, "ABCDEF01", 1),
		"a long key id":        strings.Replace(whole, kid, kid+"00", 1),
		"no key id":            strings.Replace(whole, kid, "", 1),
		"other mark":           strings.Replace(whole, "pets1", "pets2", 1),
		"no token":             "pets1:" + kid + ":",
		"one colon":            "pets1:" + kid,
		"empty":                "",
		"standard base64":      strings.NewReplacer("-", "+", "_", "/").Replace(whole) + "+",
		"token of one block":   "pets1:" + kid + ":" + encoded(func(int) byte { return 0x80 }),
		"key id of other case": "pets1:" + strings.ToUpper(kid) + whole[14:],
		"too long":             whole + strings.Repeat("A", maxBlob),
	}
	for _, junk := range []string{"\n", "\r\n", " ", "\x00", "A", "=", "AAAA", whole} {
		bad["behind: "+junk] = whole + junk
		bad["before: "+junk] = junk + whole
		bad["within: "+junk] = whole[:60] + junk + whole[60:]
	}
	for name, text := range bad {
		if text == "" && name != "empty" || text == whole {
			continue
		}
		writeFile(t, pathOf(t, k, 0), []byte(text))
		err := k.withKey("w0", nothing)
		require.ErrorIs(t, err, ErrDamaged, name)
		require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
	}
}

// sealText seals any text as a blob.
func sealText(t *testing.T, k *Keystore, plain string) []byte {
	t.Helper()
	var blob []byte
	_, err := k.ring.use(k.ring.Current(), func(key *fernet.Key) error {
		token, err := fernet.EncryptAndSign([]byte(plain), key)
		blob = append([]byte("pets1:"+k.ring.Current()+":"), token...)
		return err
	})
	require.NoError(t, err)
	return blob
}

// "On opening, wallet, address and key must agree." Also where somebody with the
// encryption key made the blob.
func TestWhatIsInsideMustAgree(t *testing.T) {
	k := newStore(t)
	fill(t, k, 2)
	plain, err := encodePlain(content{"w0", testKey(t, 0).Address(), Path(0), testKey(t, 0)})
	require.NoError(t, err)
	whole := string(plain)
	key0, key1 := fmt.Sprintf("%x", testSecret(0)), fmt.Sprintf("%x", testSecret(1))
	bad := map[string]string{
		"another key":       strings.Replace(whole, key0, key1, 1),
		"another address":   strings.Replace(whole, testKey(t, 0).Address().Hex(), testKey(t, 1).Address().Hex(), 1),
		"address not EIP55": strings.Replace(whole, testKey(t, 0).Address().Hex(), strings.ToLower(testKey(t, 0).Address().Hex()), 1),
		"another version":   strings.Replace(whole, `"version":1`, `"version":2`, 1),
		"no version":        strings.Replace(whole, `"version":1,`, ``, 1),
		"no path":           strings.Replace(whole, Path(0), ``, 1),
		"another path":      strings.Replace(whole, Path(0), `m/44h/60h/0`, 1),
		"wallet no id":      strings.Replace(whole, `"w0"`, `"w 0"`, 1),
		"key in capitals":   strings.Replace(whole, key0, strings.ToUpper(key0), 1),
		"key zero":          strings.Replace(whole, key0, strings.Repeat("0", 64), 1),
		"key of the order":  strings.Replace(whole, key0, "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 1),
		"key short":         strings.Replace(whole, key0, key0[2:], 1),
		"key no hex":        strings.Replace(whole, key0, "zz"+key0[2:], 1),
		"no key":            `{"version":1,"wallet":"w0"}`,
		"a field more":      strings.Replace(whole, `"version":1`, `"version":1,"more":0`, 1),
		"a field twice":     strings.Replace(whole, `"version":1`, `"version":1,"version":1`, 1),
		"a space":           strings.Replace(whole, `,`, `, `, 1),
		"a line break":      whole + "\n",
		"behind":            whole + "{}",
		"no JSON":           "key=" + key0,
		"empty":             "",
	}
	for name, text := range bad {
		writeFile(t, pathOf(t, k, 0), sealText(t, k, text))
		err := k.withKey("w0", nothing)
		require.ErrorIs(t, err, ErrDamaged, name)
		noEcho(t, err, key0)
	}
	writeFile(t, pathOf(t, k, 0), sealText(t, k, whole))
	check(t, k, 2)
}

// "A blob swapped between two wallets must be found."
func TestSwappedBlobs(t *testing.T) {
	k := newStore(t)
	fill(t, k, 2)
	first, second := readFile(t, pathOf(t, k, 0)), readFile(t, pathOf(t, k, 1))
	writeFile(t, pathOf(t, k, 0), second)
	writeFile(t, pathOf(t, k, 1), first)
	for i, wallet := range []string{"w0", "w1"} {
		err := k.withKey(wallet, nothing)
		var foreign *ForeignBlobError
		require.ErrorAs(t, err, &foreign)
		require.ErrorIs(t, err, ErrForeignBlob)
		other := byte(1 - i)
		require.Equal(t, ForeignBlobError{wallet, testKey(t, byte(i)).Address(), fmt.Sprintf("w%d", other), testKey(t, other).Address()}, *foreign)
		require.Equal(t, domain.CodeConflict, domain.CodeOf(err))
		_, err = k.Reencrypt(wallet)
		require.ErrorIs(t, err, ErrForeignBlob)
	}
	problems, err := k.Check()
	require.NoError(t, err)
	require.Len(t, problems, 2)
	require.ErrorIs(t, problems["w0"], ErrForeignBlob)
	require.ErrorIs(t, k.Complete(), ErrForeignBlob)
}

// A renamed file is another wallet's, or nobody's.
func TestRenamedFiles(t *testing.T) {
	address0, address1 := testKey(t, 0).Address(), testKey(t, 1).Address()
	foreign := map[string]string{
		"other": fileOf("other", address0), // another wallet
		"w0":    fileOf("w0", address1),    // another address
		"W0":    fileOf("W0", address0),    // another case
	}
	for wallet, name := range foreign {
		k := newStore(t)
		fill(t, k, 1)
		require.NoError(t, os.Rename(pathOf(t, k, 0), filepath.Join(k.dir, name)))
		require.ErrorIs(t, k.withKey(wallet, nothing), ErrForeignBlob, name)
	}
	strange := []string{
		"w0.key", "w0." + strings.ToLower(address0.Hex()) + ".key", "w0." + address0.Hex()[2:] + ".key", ".key", ".." + "key",
		"w 0." + address0.Hex() + ".key", "." + address0.Hex() + ".key", address0.Hex() + ".key", "w0.0x12.key",
	}
	for _, name := range strange {
		k := newStore(t)
		fill(t, k, 2)
		require.NoError(t, os.Rename(pathOf(t, k, 0), filepath.Join(k.dir, name)))
		require.ErrorIs(t, k.withKey("w0", nothing), ErrNotFound, name)
		require.NoError(t, k.withKey("w1", nothing), "the others work on")
		for _, err := range []error{k.Complete(), second(k.List()), second(k.Pending()), second(k.SealedUnder())} {
			require.ErrorIs(t, err, ErrDamaged, name)
		}
		problems, err := k.Check()
		require.NoError(t, err)
		require.Len(t, problems, 1)
		require.ErrorIs(t, problems[name], ErrDamaged)
	}
}

func second[T any](_ T, err error) error { return err }

// Two files of one wallet: nobody says which, and the other wallets work on.
func TestTwoFilesOfOneWallet(t *testing.T) {
	k := newStore(t)
	fill(t, k, 3)
	blob := readFile(t, pathOf(t, k, 1))
	writeFile(t, filepath.Join(k.dir, fileOf("w1", testKey(t, 9).Address())), blob)
	require.ErrorIs(t, k.withKey("w1", nothing), ErrDamaged)
	require.NoError(t, k.withKey("w0", nothing))
	require.NoError(t, k.withKey("w2", nothing))
	require.ErrorIs(t, second(k.List()), ErrDamaged)
	require.ErrorIs(t, second(k.Create("w1", Path(1), testKey(t, 1))), ErrDamaged)
	problems, err := k.Check()
	require.NoError(t, err)
	require.Len(t, problems, 1)
	require.ErrorIs(t, problems["w1"], ErrDamaged)
}

// What cannot be a Fernet token is refused before anything is decrypted: 73
// bytes, or 16, 32, … more, that begin with 0x80.
func TestWhatCanBeAToken(t *testing.T) {
	for n := range 140 {
		for _, version := range []byte{0x80, 0x81, 0} {
			raw := make([]byte, n+1)
			raw[0] = version
			_, token, err := splitBlob("f", []byte("pets1:01234567:"+base64.URLEncoding.EncodeToString(raw)))
			fine := version == 0x80 && (len(raw) == 73 || len(raw) == 89 || len(raw) == 105 || len(raw) == 121 || len(raw) == 137)
			require.Equal(t, fine, err == nil, "%d bytes, %x", len(raw), version)
			require.Equal(t, fine, token != nil)
		}
	}
}
