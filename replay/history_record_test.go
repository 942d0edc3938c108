package replay_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval/approvaltest"
	"pets/domain/system"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
	"pets/replay/historytest"
	"pets/replay/scenario"
)

// recordHistory names a build:
//
//	go test ./replay ./internal/cli/demo -run TestRecordHistory -record-history NAME
//
// writes what this build stores and folds, for every scenario and the demo week, to
// replay/testdata/histories/NAME, where it stays for ever. It refuses a name that was
// used before.
var recordHistory = flag.String("record-history", "", "record golden histories of this build under a new name")

// historiesDir is where they lie.
const historiesDir = "testdata/histories"

// TestRecordHistory records golden histories; without -record-history it only makes
// sure that they could be.
func TestRecordHistory(t *testing.T) {
	dir := t.TempDir()
	build := "now"
	if *recordHistory != "" {
		build, dir = *recordHistory, filepath.Join(historiesDir, *recordHistory)
	}
	stores := map[string]eventstore.Store{"every-event": everyEvent(t), "keys": systemStream(t), "seldom": seldom(t)}
	files, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		stores[strings.TrimSuffix(filepath.Base(file), ".txt")] = scenarioStore(t, filepath.Base(file), string(text))
	}
	require.Greater(t, len(stores), 30)
	whole := filepath.Join(t.TempDir(), "folder")
	folder, err := embedded.Open(whole, embedded.Options{SegmentBytes: 64 << 10, NoFill: true})
	require.NoError(t, err)
	for name, store := range stores {
		h := onlyHistory(t, store, build, name)
		require.NoError(t, historytest.Write(filepath.Join(dir, name+".history.gz"), h))
		stream := h.Stream
		if stream != commands.SystemStream {
			stream = commands.Stream(name)
		}
		copyInto(t, folder, stream, h)
	}
	require.NoError(t, folder.Close())
	require.NoError(t, historytest.Pack(filepath.Join(dir, "segments.folder.gz"), whole))
}

// onlyHistory records the one stream that a store has.
func onlyHistory(t *testing.T, store eventstore.Store, build, from string) *historytest.History {
	t.Helper()
	streams, err := store.Streams(t.Context())
	require.NoError(t, err)
	require.Len(t, streams, 1)
	h, err := historytest.Record(t.Context(), store, streams[0], build, from)
	require.NoError(t, err)
	require.NotEmpty(t, h.Steps)
	return h
}

// scenarioStore runs a scenario and returns the store it filled.
func scenarioStore(t *testing.T, name, text string) eventstore.Store {
	t.Helper()
	store, err := scenario.Store(t.Context(), scenario.Options{Name: name}, strings.NewReader(text))
	require.NoError(t, err)
	return store
}

// seldom has what no scenario has: a key that was recovered, a transfer that was priced
// anew and failed, and a clock that jumped while a permit was held.
func seldom(t *testing.T) eventstore.Store {
	t.Helper()
	store := scenarioStore(t, "seldom", `
open mode=live gate=paper capital=1000
bot alpha capital=500
as admin ada
wallet hot-1 hot 0x9858EfFD232B4033E47d90003D41EC34EcaEda94
contact 0x8617E340B3D01FA5F11F306F4090FD50E238070D rent
as operator olga
key hot-1 recovered
loaded hot-1 USDC 1000 POL 5
deposit 5 POL
wait 48h
transfer hot 0x8617E340B3D01FA5F11F306F4090FD50E238070D 25 reason="rent"
as approver paul
approve last
as admin server
advance last prepared
advance last signed
advance last sent
advance last repriced
advance last signed
advance last sent
advance last failed code=reverted fee=0.01
as operator olga
permit alpha buy m/YES 10 @ 0.5
`)
	stream := commands.Stream(scenario.Portfolio)
	head, err := store.Head(t.Context(), stream)
	require.NoError(t, err)
	var last eventstore.Record
	for rec, err := range store.ReadStream(t.Context(), stream, head) {
		require.NoError(t, err)
		last = rec
	}
	require.Equal(t, domain.PermitGrantedType, last.Type)
	data, err := domain.Encode(&domain.ClockJumped{By: domain.Duration(-7 * time.Second), PermitsExpired: []string{fmt.Sprint("p", head)}})
	require.NoError(t, err)
	_, err = store.Append(t.Context(), stream, eventstore.Expected(int64(head)), []eventstore.Proposed{{
		ID: uuid.NewSHA1(last.ID, []byte("jumped")), Type: domain.ClockJumpedType, Time: last.Time, Metadata: last.Metadata, Data: data,
	}})
	require.NoError(t, err)
	return store
}

// everyEvent is the stream with every event type of portfolios that the domain keeps.
func everyEvent(t *testing.T) eventstore.Store {
	t.Helper()
	text, err := os.ReadFile("../domain/portfolio/testdata/history.jsonl")
	require.NoError(t, err)
	store := memory.New()
	for l := range strings.Lines(string(text)) {
		var r struct {
			Revision uint64
			Time     time.Time
			Type     string
			Data     json.RawMessage
		}
		require.NoError(t, json.Unmarshal([]byte(l), &r))
		_, err := store.Append(t.Context(), commands.Stream("every-event"), eventstore.Expected(int64(r.Revision)-1), []eventstore.Proposed{{
			ID: uuid.NewSHA1(uuid.NameSpaceOID, []byte(l)), Type: r.Type, Time: r.Time, Data: r.Data, Metadata: fmt.Appendf(nil, `{"actor":"olga","role":"operator","command":"history","command_id":"%s","request_hash":"%064d"}`, uuid.NewSHA1(uuid.NameSpaceURL, []byte(l)), r.Revision),
		}})
		require.NoError(t, err)
	}
	return store
}

// lifeOfApprovers registers keys, gives a word for one, and revokes it.
func lifeOfApprovers(t *testing.T, w *commands.Writer, store eventstore.Store) {
	t.Helper()
	n := 0
	do := func(c domain.Caller, command commands.Command) string {
		n++
		a, err := w.Do(t.Context(), commands.Request{Caller: c, Key: fmt.Sprint("approver-", n), Command: command})
		require.NoError(t, err)
		return a.ID
	}
	anna := domain.Caller{User: "anna", Role: domain.RoleAdmin}
	do(anna, commands.RegisterApprover{User: "bea", PublicKey: approvaltest.Public("bea"), Note: "blue stick"})
	waits := do(anna, commands.RegisterApprover{User: "carl", PublicKey: approvaltest.Public("carl")})
	s := system.New()
	require.NoError(t, eventstore.Walk(t.Context(), store, commands.SystemStream, 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		return err
	}))
	word, _ := s.Word(waits)
	do(domain.Caller{User: "bea", Role: domain.RoleApprover}, commands.VouchApprover{Approver: waits, Signature: approvaltest.Sign(t, word, "bea")})
	do(anna, commands.RevokeApprover{Approver: waits, Reason: "lost"})
}

// systemStream is a life of API keys, approvers' keys, claims and rotations.
func systemStream(t *testing.T) eventstore.Store {
	t.Helper()
	store, now := memory.New(), scenario.Start
	w := commands.NewSystemWriter(store, commands.Options{
		Now: func() time.Time { now = now.Add(time.Hour); return now }, Instance: uuid.NewSHA1(uuid.NameSpaceOID, []byte("system")),
	})
	defer w.Close()
	hash := func(n int) string { return fmt.Sprintf("%064x", n) }
	address := func(n int) string { return fmt.Sprintf("0x%040x", n) }
	for i, c := range []commands.Command{
		commands.BootstrapKey{User: "anna", Hash: hash(1)},
		commands.IssueKey{User: "olga", Role: domain.RoleOperator, Hash: hash(2), Note: "on call"},
		commands.IssueKey{User: "alpha", Role: domain.RoleBot, Portfolio: "main", Bot: "alpha", Hash: hash(3)},
		commands.IssueKey{User: "Paul", Role: domain.RoleApprover, Hash: hash(4)},
		commands.RevokeKey{Key: "k2", Reason: "leaked"},
		commands.RevokeKey{Key: "k2"},
		commands.RecordDenials{Denials: []domain.AccessDenied{{Source: "192.0.2.1", Key: "k2", Code: "unauthenticated", Route: "/v1/x", Count: 3, From: now, To: now}}},
		commands.ClaimWallet{Address: address(1), Wallet: "hot-1", Portfolio: "main"},
		commands.ClaimWallet{Address: address(2), Wallet: "hot-2", Portfolio: "other"},
		commands.StartKeyRotation{To: "0a0a0a0a", Wallets: []string{"hot-1", "hot-2"}, Reason: "90 days"},
		commands.RecordReencrypted{Rotation: "r9", Wallet: "hot-1", Address: address(1), To: "0a0a0a0a", From: "0b0b0b0b"},
		commands.StartKeyRotation{To: "0a0a0a0a", Wallets: []string{"hot-1", "hot-2", "hot-3"}},
		commands.RecordReencrypted{Rotation: "r11", Wallet: "hot-1", Address: address(1), To: "0a0a0a0a", From: "0b0b0b0b"},
		commands.RecordReencrypted{Rotation: "r11", Wallet: "hot-2", Address: address(2), To: "0a0a0a0a", From: "unknown"},
		commands.RecordReencrypted{Rotation: "r11", Wallet: "hot-3", Address: address(3), To: "0a0a0a0a", From: "unknown"},
		commands.CompleteKeyRotation{Rotation: "r11"},
	} {
		_, err := w.Do(context.Background(), commands.Request{
			Caller: domain.Caller{User: "anna", Role: domain.RoleAdmin}, Key: fmt.Sprint("step-", i), Command: c,
		})
		require.NoError(t, err, "%d %s", i, commands.SpecOf(c).Name)
	}
	lifeOfApprovers(t, w, store)
	_, err := w.Do(context.Background(), commands.Request{
		Caller: domain.Caller{User: "os:olga", Role: domain.RoleOperator}, Key: "rollback",
		Command: commands.AcceptRollback{Reason: "the disk is gone", Streams: []domain.RolledBack{{Stream: "portfolio-main", Witnessed: 7, Found: 5}}},
	})
	require.NoError(t, err)
	return store
}

// copyInto appends the records of a history as they are.
func copyInto(t *testing.T, store eventstore.Store, stream string, h *historytest.History) {
	t.Helper()
	for _, s := range h.Steps {
		r := s.Record
		_, err := store.Append(t.Context(), stream, eventstore.Expected(int64(r.Revision)-1), []eventstore.Proposed{{
			ID: r.ID, Type: r.Type, Time: r.Time, Metadata: r.Metadata, Data: r.Data,
		}})
		require.NoError(t, err)
	}
}
