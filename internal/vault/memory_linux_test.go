package vault

import (
	"bufio"
	"bytes"
	"encoding/hex"
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
)

// childSign signs 20 times, then lets its memory be looked at. What it signed
// with is gone by then.
func childSign() error {
	k, err := childStore()
	if err != nil {
		return err
	}
	for i := range 20 {
		err := k.WithKey("w0", func(key *PrivateKey) error { return second(key.Sign([32]byte{byte(i)})) })
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
	err = k.WithKey("w0", func(key *PrivateKey) error {
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

// scan counts how often each secret stands in the memory of a process, in any
// form.
func scan(pid int, secrets map[string][]byte) (map[string]int, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer memory.Close()
	found, read := map[string]int{}, 0
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(mode, "r") || strings.Contains(line, "[v") || to-from > 1<<30 {
			continue
		}
		region := make([]byte, to-from)
		n, err := memory.ReadAt(region, from)
		if err != nil && n == 0 {
			continue // a region the kernel keeps to itself
		}
		read += n
		for name, secret := range secrets {
			found[name] += bytes.Count(region[:n], secret)
		}
	}
	if read < 1<<20 {
		return nil, errors.New("less than 1 MiB of memory could be read")
	}
	return found, nil
}

// forms are the forms in which the key may lie in memory: as bytes, also with
// the words of a big integer in the machine's order, and as text.
func forms(secret []byte) map[string][]byte {
	reversed := make([]byte, len(secret))
	for i, b := range secret {
		reversed[len(secret)-1-i] = b
	}
	out := map[string][]byte{"reversed": reversed, "reversed half": reversed[:16], "half": secret[:16], "other half": secret[16:]}
	for name, form := range canaries(secret) {
		out[name] = form
	}
	return out
}

// lookInto starts a child, and scans it when it has signed.
func lookInto(t *testing.T, binary, name, dir string) (said string, found map[string]int) {
	t.Helper()
	command := child(binary, name, dir, keyA, "")
	var problems bytes.Buffer
	command.Stderr = &problems
	in, err := command.StdinPipe()
	require.NoError(t, err)
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	defer command.Wait()
	defer in.Close()
	said, err = bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err, problems.String())
	found, err = scan(command.Process.Pid, forms(testSecret(0)))
	if err != nil {
		skipOrFail(t, "the memory of a child cannot be read here: "+err.Error())
	}
	return said, found
}

// secretBuild builds this test as CGO_ENABLED=0 GOEXPERIMENT=runtimesecret.
func secretBuild(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("builds everything once more")
	}
	if runtime.GOARCH != "amd64" && runtime.GOARCH != "arm64" {
		t.Skip("the runtime erases secrets on amd64 and arm64 only")
	}
	binary := filepath.Join(t.TempDir(), "child")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOEXPERIMENT=runtimesecret")
	if out, err := build.CombinedOutput(); err != nil {
		skipOrFail(t, "the Go tool cannot build with GOEXPERIMENT=runtimesecret: "+string(out))
	}
	return binary
}

// A build that erases memory leaves no copy of a key that has signed: not as
// bytes, not as words of a big integer, not as text. A child that keeps it is
// caught by the same scan.
func TestMemoryAfterSigning(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	binary := secretBuild(t)

	said, found := lookInto(t, binary, "sign-naively", k.dir)
	require.Equal(t, "erases memory: true\n", said)
	require.Positive(t, found["raw"], "the scan must catch a key that is kept")

	said, found = lookInto(t, binary, "sign", k.dir)
	require.Equal(t, "erases memory: true\n", said)
	for form, copies := range found {
		require.Zero(t, copies, "%s: %s", form, hex.EncodeToString(forms(testSecret(0))[form]))
	}
}

// The plain build promises less: that this package keeps none. What libraries
// left behind is told here, so that nobody believes otherwise.
func TestMemoryOfThePlainBuild(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	_, naive := lookInto(t, os.Args[0], "sign-naively", k.dir)
	require.Positive(t, naive["raw"])
	said, found := lookInto(t, os.Args[0], "sign", k.dir)
	t.Logf("%s%v", said, found)
}
