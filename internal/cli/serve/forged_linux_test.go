package serve_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval/approvaltest"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/pets/petstest"
)

// "A paced background fold from revision 0 must meet … the live roots; differs →
// system_error stop": a deposit in the middle of the log was edited, with every checksum
// right, and the snapshots are gone. The last record is the one that was witnessed, so the
// start is not refused; the root is another.
func TestAForgedHistoryIsStopped(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	require.True(t, d.allowed())
	d.stop()
	require.NoError(t, os.RemoveAll(filepath.Join(d.folder, "snapshots")))
	forge(t, d.folder, "deposit.recorded.v1", `"amount":"1000"`, `"amount":"9000"`)
	d.start()
	require.Eventually(t, func() bool { allowed, err := d.ask(); return err == nil && !allowed }, 20*time.Second, 20*time.Millisecond)
	d.server.Says("the hash tree of its history")
	// The stop holds at once, and is recorded a moment later.
	require.Eventually(t, func() bool {
		r := d.server.Pets(d.folder, petstest.AdminKey, "events", "-p", "main", "--json")
		return strings.Contains(r.Out, `"kind":"system_error"`)
	}, 20*time.Second, 100*time.Millisecond)
}

// forge replaces text in the first record of a type and corrects the checksums of its frame;
// docs/log-format.md describes the format.
func forge(t *testing.T, folder, eventType, from, to string) {
	t.Helper()
	require.Len(t, to, len(from))
	store, err := embedded.OpenReadOnly(folder, embedded.Options{})
	require.NoError(t, err)
	at := uint64(0)
	for rec, err := range store.ReadAll(t.Context(), eventstore.Position{}) {
		require.NoError(t, err)
		if rec.Type == eventType {
			at = rec.Position.Commit
			break
		}
	}
	require.NoError(t, store.Close())
	require.NotZero(t, at)
	path := filepath.Join(folder, "00000000000000000000.seg")
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	start := bytes.LastIndex(b[:at], []byte("PFRM"))
	frame := b[start:]
	frame = frame[:binary.LittleEndian.Uint32(frame[4:])]
	i := bytes.Index(frame, []byte(from))
	require.Positive(t, i)
	copy(frame[i:], to)
	sum := func(b []byte) uint32 { return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) }
	binary.LittleEndian.PutUint32(frame[40:], sum(frame[48:]))
	binary.LittleEndian.PutUint32(frame[44:], sum(frame[:44]))
	require.NoError(t, os.WriteFile(path, b, 0o600))
}

// "Crash between log flush and witness write → start fine": a server that trades, trips
// and is killed starts again each time, and knows what it had answered.
func TestAKilledServerIsNotRefused(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	d.trip()
	for range 6 {
		for range 5 {
			require.False(t, d.allowed())
		}
		require.NoError(t, d.server.Cmd.Process.Kill())
		_ = d.server.Cmd.Wait()
		d.start()
	}
	require.False(t, d.allowed())
}

// "The server at start logs approvers' registrations beyond the last witnessed head": somebody
// wrote a key into the store while no server ran. The start says so, and a key whose record lets
// it count at once does not count.
func TestAForgedApproverIsTold(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	issued := d.server.Pets(d.folder, petstest.AdminKey, "apikey", "issue", "--user", "bob", "--role", "approver")
	require.Equal(t, 0, issued.Code, issued.Err)
	registered := d.server.Pets(d.folder, petstest.AdminKey, "approver", "add", "--user", "bob", approvaltest.Public("bob"))
	require.Equal(t, 0, registered.Code, registered.Err)
	d.stop()
	store, err := embedded.Open(d.folder, embedded.Options{})
	require.NoError(t, err)
	head, err := store.Head(t.Context(), commands.SystemStream)
	require.NoError(t, err)
	at := time.Now().UTC()
	data, err := domain.Encode(&domain.ApproverRegistered{
		Approver: domain.ApproverName(head + 1), User: "mal", PublicKey: approvaltest.Public("mal"), By: "admin", CountsFrom: at, RegisteredAt: at,
	})
	require.NoError(t, err)
	meta, err := json.Marshal(domain.Metadata{Actor: "admin", Role: domain.RoleAdmin, Command: "approver.register", CommandID: uuid.NewString(), RequestHash: strings.Repeat("0", 64)})
	require.NoError(t, err)
	_, err = store.Append(t.Context(), commands.SystemStream, eventstore.Expected(int64(head)), []eventstore.Proposed{{
		ID: uuid.New(), Type: domain.ApproverRegisteredType, Time: at, Metadata: meta, Data: data,
	}})
	require.NoError(t, err)
	require.NoError(t, store.Close())
	d.start()
	d.server.Says("the records of an approver's key need a look")
	d.server.Says("but should from")
	r := d.server.Pets(d.folder, petstest.AdminKey, "approver", "list", "--json")
	require.Equal(t, 0, r.Code, r.Err)
	counting := regexp.MustCompile(`"counts": ?true`).FindAllString(r.Out, -1)
	require.Len(t, counting, 1, "bob's: %s", r.Out)
	require.Contains(t, r.Out, "earlier than it can")
}
