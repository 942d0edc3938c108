package vault

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/internal/testenv"
)

// childSign rotates to a new encryption key, signs 20 times, then lets its memory
// be looked at. What it signed with is gone by then.
func childSign() error {
	k, err := childStore()
	if err != nil {
		return err
	}
	if err := rotate(k); err != nil {
		return err
	}
	for i := range 20 {
		err := k.withKey("w0", func(key *PrivateKey) error { return second(key.Sign([32]byte{byte(i)})) })
		if err != nil {
			return err
		}
	}
	return lookAtMe(nil)
}

// childSignNaively does what everybody does: it keeps the key in a slice.
func childSignNaively() error {
	k, err := childStore()
	if err != nil {
		return err
	}
	var kept []byte
	err = k.withKey("w0", func(key *PrivateKey) error {
		return key.use(func(secret *[keyBytes]byte) error {
			kept = bytes.Clone(secret[:])
			return nil
		})
	})
	if err != nil {
		return err
	}
	return lookAtMe(kept)
}

// lookAtMe collects garbage, says so, and waits for the end of its input.
func lookAtMe(kept []byte) error {
	runtime.GC()
	runtime.GC()
	fmt.Println("erases memory:", ErasesMemory)
	_, err := io.ReadAll(os.Stdin)
	runtime.KeepAlive(kept)
	return err
}

// forms are the forms in which the key may lie in memory: as bytes, also with
// the words of a big integer in the machine's order, and as text.
func forms(secret []byte) map[string][]byte {
	reversed := make([]byte, len(secret))
	for i, b := range secret {
		reversed[len(secret)-1-i] = b
	}
	out := map[string][]byte{"reversed": reversed, "reversed half": reversed[:16], "half": secret[:16], "other half": secret[16:]}
	for name, form := range testenv.Forms(secret) {
		out[name] = form
	}
	return out
}

// lookInto starts a child, gives it a line, and scans it when it is ready.
func lookInto(t *testing.T, binary, name, dir, line string, secrets map[string][]byte) (said string, found map[string]int) {
	t.Helper()
	command := child(binary, name, dir, GenerateKey(), keyA)
	var problems bytes.Buffer
	command.Stderr = &problems
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	defer command.Wait()
	defer in.Close()
	require.NoError(t, second(io.WriteString(in, line)))
	if said, err = bufio.NewReader(out).ReadString('\n'); err != nil {
		_ = command.Wait() // then all of it is there
		t.Fatal(problems.String())
	}
	found, err = testenv.InMemory(command.Process.Pid, "r", secrets)
	if errors.Is(err, os.ErrPermission) {
		testenv.Lacks(t, "the memory of a child cannot be read here: %s", err.Error())
	}
	require.NoError(t, err)
	return said, found
}

// secretBuild builds this test as CGO_ENABLED=0 GOEXPERIMENT=runtimesecret.
func secretBuild(t *testing.T) string {
	t.Helper()
	testenv.OnlyLong(t, "builds everything once more")
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the runtime erases secrets on amd64 and arm64 only")
	}
	binary := filepath.Join(t.TempDir(), "child")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT=runtimesecret", "GOFLAGS=")
	if out, err := build.CombinedOutput(); err != nil {
		testenv.Lacks(t, "the Go tool cannot build with GOEXPERIMENT=runtimesecret: %s", string(out))
	}
	return binary
}

// randomWallet is a keystore whose w0 has a key that stands nowhere else, also
// not in the program.
func randomWallet(t *testing.T) (*Keystore, []byte) {
	t.Helper()
	secret := make([]byte, keyBytes)
	_, _ = rand.Read(secret)
	key, err := newPrivateKey(secret)
	require.NoError(t, err)
	k := newStore(t)
	_, err = k.Create("w0", Path(0), key)
	require.NoError(t, err)
	return k, secret
}

// A build that erases memory leaves no copy of a key that has signed: not as
// bytes, not as words of a big integer, not as text. A child that keeps it is
// caught by the same scan.
func TestMemoryAfterSigning(t *testing.T) {
	binary := secretBuild(t)
	k, secret := randomWallet(t)
	said, found := lookInto(t, binary, "sign-naively", k.dir, "", forms(secret))
	require.Equal(t, "erases memory: true\n", said)
	require.Positive(t, found["raw"], "the scan must catch a key that is kept")

	for range 5 {
		k, secret := randomWallet(t)
		said, found = lookInto(t, binary, "sign", k.dir, "", forms(secret))
		require.Equal(t, "erases memory: true\n", said)
		for form, copies := range found {
			require.Zero(t, copies, form)
		}
	}
}

// The same for a mnemonic that was read, derived from, and wiped: neither its
// sentence, nor the seed, nor the key is left.
func TestMemoryAfterDeriving(t *testing.T) {
	binary := secretBuild(t)
	for range 3 {
		m := NewMnemonic()
		sentence := wordsOf(t, m)
		seed, err := m.seed(nil)
		require.NoError(t, err)
		key, err := deriveKey(seed, Path(0))
		require.NoError(t, err)
		secrets := forms(key.held().secret[:])
		words := strings.Fields(sentence)
		secrets["sentence"] = []byte(strings.Join(words[:4], " "))
		secrets["end of sentence"] = []byte(strings.Join(words[20:], " "))
		for name, form := range testenv.Forms(seed) {
			secrets["seed "+name] = form
		}
		secrets["seed, first half"] = seed[:32]

		said, found := lookInto(t, binary, "derive-naively", newStore(t).dir, sentence+"\n", secrets)
		require.Equal(t, "erases memory: true\n", said)
		require.Positive(t, found["sentence"], "the scan must catch words that are kept")
		said, found = lookInto(t, binary, "derive", newStore(t).dir, sentence+"\n", secrets)
		require.Equal(t, "erases memory: true\n", said)
		for form, copies := range found {
			require.Zero(t, copies, form)
		}
	}
}

// The plain build promises less: that this package keeps no copy of its own. What
// libraries leave behind is told here, so that nobody believes otherwise.
func TestMemoryOfThePlainBuild(t *testing.T) {
	k, secret := randomWallet(t)
	_, naive := lookInto(t, os.Args[0], "sign-naively", k.dir, "", forms(secret))
	require.Positive(t, naive["raw"])
	said, found := lookInto(t, os.Args[0], "sign", k.dir, "", forms(secret))
	t.Logf("%s%v", said, found)
}

// childDerive makes a wallet of the sentence it reads.
func childDerive() error { return derive(false) }

// childDeriveNaively does too, and keeps the sentence.
func childDeriveNaively() error { return derive(true) }

func derive(keep bool) error {
	k, err := childStore()
	if err != nil {
		return err
	}
	line := make([]byte, 1024)
	n, err := os.Stdin.Read(line)
	if err != nil {
		return err
	}
	m, err := ParseMnemonic(line[:n])
	if err != nil {
		return err
	}
	err = m.Derive(Path(0), nil, func(key *PrivateKey) error { return second(k.Create("w0", Path(0), key)) })
	m.Wipe()
	if !keep {
		clear(line)
	}
	return errors.Join(err, lookAtMe(line))
}
