package vault

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// What a child is told.
const (
	dirVariable     = "VAULT_TEST_DIR"
	currentForChild = "VAULT_TEST_CURRENT"
	retiredForChild = "VAULT_TEST_RETIRED"
)

// child makes a command that runs a binary as one of the children.
func child(binary, name, dir, current, retired string, more ...string) *exec.Cmd {
	command := exec.Command(binary)
	command.Env = append(os.Environ(), childVariable+"="+name, dirVariable+"="+dir, currentForChild+"="+current, retiredForChild+"="+retired)
	command.Env = append(command.Env, more...)
	return command
}

func childStore() (*Keystore, error) {
	ring, err := ParseKeyring(os.Getenv(currentForChild), os.Getenv(retiredForChild))
	if err != nil {
		return nil, err
	}
	return Open(os.Getenv(dirVariable), ring)
}

// childReencrypt rotates, and says when it begins and ends.
func childReencrypt() error {
	k, err := childStore()
	if err != nil {
		return err
	}
	fmt.Println("begins")
	if err := rotate(k); err != nil {
		return err
	}
	fmt.Println("complete")
	return nil
}

// childCreate creates wallets until it is killed, and says which it has created.
func childCreate() error {
	k, err := childStore()
	if err != nil {
		return err
	}
	entries, err := k.List()
	if err != nil {
		return err
	}
	fmt.Println("begins")
	for i := len(entries); i < 250; i++ {
		key, err := newPrivateKey(testSecret(byte(i)))
		if err != nil {
			return err
		}
		if _, err := k.Create(fmt.Sprintf("w%d", i), Path(uint32(i)), key); err != nil {
			return err
		}
		fmt.Println("created", i)
	}
	return nil
}

// killAtRandom starts a child, waits until it begins, and kills it after a random
// time. It returns what the child had said, and whether it was killed in time.
func killAtRandom(t *testing.T, command *exec.Cmd, within time.Duration) (said []string, killed bool) {
	t.Helper()
	var errors bytes.Buffer
	command.Stderr = &errors
	out, err := command.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, command.Start())
	lines := bufio.NewScanner(out)
	if !lines.Scan() {
		_ = command.Wait() // then all of it is there
		t.Fatal(errors.String())
	}
	require.Equal(t, "begins", lines.Text())
	time.AfterFunc(rand.N(within), func() { _ = command.Process.Signal(syscall.SIGKILL) })
	for lines.Scan() {
		said = append(said, lines.Text())
	}
	err = command.Wait()
	if err != nil {
		status, ok := command.ProcessState.Sys().(syscall.WaitStatus)
		require.True(t, ok && status.Signaled() && status.Signal() == syscall.SIGKILL, errors.String())
	}
	return said, err != nil
}

// "Real kill -9 at ≥ 25 random instants": the rotation there and back is killed
// until 30 kills hit it at work, and after each everything opens and agrees.
func TestRotationUnderKill9(t *testing.T) {
	t.Parallel()
	const kills, wallets = 30, 12
	k := newStore(t)
	fill(t, k, wallets)
	current, retired := keyB, keyA
	hit, between, runs := 0, 0, 0
	for ; hit < kills; runs++ {
		require.Less(t, runs, 20*kills, "the kills come too late")
		_, killed := killAtRandom(t, child(os.Args[0], "reencrypt", k.dir, current, retired), 25*time.Millisecond)
		open := openStore(t, k.dir, ringOf(t, current, retired))
		check(t, open, wallets)
		pending, err := open.Pending()
		require.NoError(t, err)
		if killed {
			hit++
			if len(pending) > 0 && len(pending) < wallets {
				between++
			}
		}
		if len(pending) == 0 || runs%5 == 4 { // resumed, and then the other way
			require.NoError(t, rotate(open))
			check(t, openStore(t, k.dir, ringOf(t, current, "")), wallets)
			current, retired = retired, current
		}
	}
	t.Logf("%d runs, %d kills, %d of them between two wallets or within one", runs, hit, between)
	require.Positive(t, between, "none hit the rotation at work")
}

// What a killed process had said it created is there; what it had not is there
// whole or not at all.
func TestCreateUnderKill9(t *testing.T) {
	t.Parallel()
	k := newStore(t)
	have := 0
	for range 10 {
		said, _ := killAtRandom(t, child(os.Args[0], "create", k.dir, keyA, ""), 40*time.Millisecond)
		open := openStore(t, k.dir, ringOf(t, keyA, ""))
		entries, err := open.List()
		require.NoError(t, err)
		require.GreaterOrEqual(t, len(entries), have+len(said))
		require.LessOrEqual(t, len(entries), have+len(said)+1)
		have = len(entries)
		check(t, open, have)
		require.Len(t, fileNames(t, open), have)
	}
	require.Positive(t, have)
	t.Logf("%d wallets through 10 kills", have)
}

// childPanic panics while it uses a key, with the key itself.
func childPanic() error {
	k, err := childStore()
	if err != nil {
		return err
	}
	return k.withKey("w0", func(key *PrivateKey) error {
		if _, err := key.Sign([32]byte{1}); err != nil {
			return err
		}
		m, err := ParseMnemonic([]byte(sentence24))
		if err != nil {
			return err
		}
		return m.Derive(Path(0), nil, func(derived *PrivateKey) error {
			panic(holder{key, *key, []any{m, *m, derived}, map[string]any{"ring": k.ring, "store": k}})
		})
	})
}

// childDump waits in the use of a key until it is asked for all stacks.
func childDump() error {
	k, err := childStore()
	if err != nil {
		return err
	}
	return k.withKey("w0", func(key *PrivateKey) error {
		return key.use(func(secret *[keyBytes]byte) error {
			fmt.Println("ready")
			<-time.After(time.Minute)
			runtime.KeepAlive(secret)
			return nil
		})
	})
}

// "Panics' output": neither a panic within withKey nor a dump of all goroutines,
// with the words of every frame, shows the key.
func TestPanicsShowNoSecret(t *testing.T) {
	k := newStore(t)
	fill(t, k, 1)
	for _, traceback := range []string{"single", "all", "system"} {
		var out bytes.Buffer
		command := child(os.Args[0], "panic", k.dir, keyA, "", "GOTRACEBACK="+traceback)
		command.Stdout, command.Stderr = &out, &out
		require.Error(t, command.Run())
		require.Contains(t, out.String(), "panic:")
		require.Contains(t, out.String(), "goroutine ")
		require.Empty(t, findSecret(testSecret(0), out.Bytes()))
		requireNoWords(t, out.String())
		require.NotContains(t, out.String(), "abandon")
		require.NotContains(t, out.String(), keyA)

		out.Reset()
		command = child(os.Args[0], "dump", k.dir, keyA, "", "GOTRACEBACK="+traceback)
		command.Stderr = &out
		ready, err := command.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, command.Start())
		require.NoError(t, second(io.ReadFull(ready, make([]byte, 6))))
		require.NoError(t, command.Process.Signal(syscall.SIGQUIT))
		require.Error(t, command.Wait())
		require.Contains(t, out.String(), "SIGQUIT")
		require.Contains(t, out.String(), "vault.(*PrivateKey).use")
		require.Empty(t, findSecret(testSecret(0), out.Bytes()))
		requireNoWords(t, out.String())
	}
}

// requireNoWords looks for the key as machine words, the form in which a stack
// trace prints arguments.
func requireNoWords(t *testing.T, trace string) {
	t.Helper()
	secret := testSecret(0)
	for i := 0; i+8 <= len(secret); i += 8 {
		big, little := secret[i:i+8], bytes.Clone(secret[i:i+8])
		for a, b := 0, 7; a < b; a, b = a+1, b-1 {
			little[a], little[b] = little[b], little[a]
		}
		require.NotContains(t, trace, hex.EncodeToString(big))
		require.NotContains(t, trace, hex.EncodeToString(little))
	}
}

// childHarden hardens itself and says what it is then.
func childHarden() error {
	if err := Harden(); err != nil {
		return err
	}
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &limit); err != nil {
		return err
	}
	fmt.Println("core", limit.Cur, limit.Max)
	return childHardenLinux()
}
