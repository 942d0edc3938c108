package vault

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"os/exec"
	"testing"
	"time"

	"github.com/fernet/fernet-go"
	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

type fernetVectors struct {
	Vectors []struct {
		Desc   string
		Token  string
		Now    time.Time
		TTL    int `json:"ttl_sec"`
		IV     []int
		Src    string
		Secret string
	}
}

// openToken decrypts as unseal does, but for what is inside.
func openToken(t *testing.T, secret, token string) []byte {
	t.Helper()
	ring := ringOf(t, secret, "")
	_, raw, err := splitBlob("test", []byte("pets1:"+ring.Current()+":"+token))
	if err != nil {
		require.ErrorIs(t, err, ErrDamaged)
		return nil
	}
	var plain []byte
	_, err = ring.use(ring.Current(), func(key *fernet.Key) error {
		plain = fernet.VerifyAndDecrypt(raw, 0, []*fernet.Key{key})
		return nil
	})
	require.NoError(t, err)
	return plain
}

// The Fernet specification, generate.json and verify.json: these tokens hold
// these texts.
func TestFernetValidVectors(t *testing.T) {
	for _, file := range []string{"fernet_generate.json", "fernet_verify.json"} {
		var v fernetVectors
		load(t, file, &v)
		require.NotEmpty(t, v.Vectors)
		for _, vector := range v.Vectors {
			require.Equal(t, vector.Src, string(openToken(t, vector.Secret, vector.Token)))
		}
	}
}

// The Fernet specification, invalid.json: none of these is a token. Those that
// are only too old or too new are refused by the time to live, which we never
// use: "Fernet TTL is never used".
func TestFernetInvalidVectors(t *testing.T) {
	var v fernetVectors
	load(t, "fernet_invalid.json", &v)
	require.Len(t, v.Vectors, 10)
	byTime := 0
	for _, vector := range v.Vectors {
		plain := openToken(t, vector.Secret, vector.Token)
		switch vector.Desc {
		case "far-future TS (unacceptable clock skew)", "expired TTL":
			byTime++
			require.NotNil(t, plain, vector.Desc)
		default:
			require.Nil(t, plain, vector.Desc)
		}
	}
	require.Equal(t, 2, byTime)
}

// "Fernet TTL is never used": a blob of 91 days, or 30 years, or of a clock that
// was ahead, opens.
func TestOldBlobsOpen(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	for _, age := range []time.Duration{91 * 24 * time.Hour, 30 * 365 * 24 * time.Hour, -time.Hour} {
		c := content{"w0", testKey(t, 0).Address(), Path(0), testKey(t, 0)}
		plain, err := encodePlain(c)
		require.NoError(t, err)
		var blob []byte
		_, err = k.ring.use(k.ring.Current(), func(key *fernet.Key) error {
			token, err := fernet.EncryptAndSignAtTime(plain, key, time.Now().Add(-age))
			blob = append([]byte("pets1:"+k.ring.Current()+":"), token...)
			return err
		})
		require.NoError(t, err)
		writeFile(t, pathOf(t, k, 0), blob)
		check(t, k, 1)
	}
}

func python(t *testing.T, script string, args ...string) []byte {
	t.Helper()
	if err := exec.Command("python3", "-c", "import cryptography").Run(); err != nil {
		testenv.Lacks(t, "python3 with the package cryptography is not installed")
	}
	command := exec.Command("python3", append([]string{"-c", script}, args...)...)
	var errors bytes.Buffer
	command.Stderr = &errors
	out, err := command.Output()
	require.NoError(t, err, errors.String())
	return out
}

// Another implementation reads our blobs: the key is not lost with this program.
func TestPythonOpensOurBlobs(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	blob := readFile(t, pathOf(t, k, 0))
	out := python(t, `
import sys
from cryptography.fernet import Fernet
mark, kid, token = sys.argv[2].split(":")
sys.stdout.write(Fernet(sys.argv[1]).decrypt(token).decode())`, keyA, string(blob))
	want := fmt.Sprintf(`{"version":1,"wallet":"w0","address":"%s","path":"%s","key":"%x"}`, testKey(t, 0).Address(), Path(0), testSecret(0))
	require.Equal(t, want, string(out), "the format of the plaintext, for ever")
}

// And we read what it writes.
func TestWeOpenPythonsBlobs(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	plain, err := encodePlain(content{"w0", testKey(t, 0).Address(), Path(0), testKey(t, 0)})
	require.NoError(t, err)
	out := python(t, `
import sys
from cryptography.fernet import Fernet
sys.stdout.write(Fernet(sys.argv[1]).encrypt(sys.argv[2].encode()).decode())`, keyA, string(plain))
	writeFile(t, pathOf(t, k, 0), append([]byte("pets1:"+k.ring.Current()+":"), out...))
	check(t, k, 1)
	key := python(t, `
from cryptography.fernet import Fernet
print(Fernet.generate_key().decode(), end="")`)
	ringOf(t, string(key), "")
	raw, err := base64.URLEncoding.DecodeString(string(key))
	require.NoError(t, err)
	require.Len(t, raw, 32)
}
