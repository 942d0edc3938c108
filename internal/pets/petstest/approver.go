package petstest

import (
	"encoding/pem"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/ssh"

	"pets/domain/approval/approvaltest"
)

// Passphrase is that of every approver's key file of a test.
const Passphrase = "a passphrase of a test"

var (
	sealing sync.Mutex
	sealed  = map[string][]byte{} // by user; sealing one takes a while
)

// ApproverFile writes the test key of a user as pets apikey request would, and returns
// the file.
func ApproverFile(t testing.TB, user string) string {
	t.Helper()
	sealing.Lock()
	defer sealing.Unlock()
	if sealed[user] == nil {
		block, err := ssh.MarshalPrivateKeyWithPassphrase(approvaltest.Key(user), "", []byte(Passphrase))
		require.NoError(t, err)
		sealed[user] = pem.EncodeToMemory(block)
	}
	path := filepath.Join(t.TempDir(), user+".key")
	require.NoError(t, os.WriteFile(path, sealed[user], 0o600))
	return path
}

// Types is what a test types where a passphrase is asked for.
func Types(string) []byte { return []byte(Passphrase) }
