package replay_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/approval/approvaltest"
	"pets/domain/portfolio"
	"pets/domain/system"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/eventstore/memory"
	"pets/internal/testenv"
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
	stores := map[string]eventstore.Store{"every-event": everyEvent(t), "keys": systemStream(t), "seldom": seldom(t), "second": second(t), "crowd": crowd(t), "archive": archive(t)}
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
	for i, name := range slices.Sorted(maps.Keys(stores)) {
		if *recordHistory == "" && i%testenv.Rounds(8, 4, 1) != 0 { // the others in a long run
			continue
		}
		store := stores[name]
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

// second has what the scenarios of the second edition leave out: each key of it, marks that
// wait, are confirmed and are dropped, a bot's own word, groups, an order that is filled or
// gone, a bot that sleeps, a flow that is corrected, a halt with its ways out, a market that
// is settled in parts and corrected, and one that is registered late.
func second(t *testing.T) eventstore.Store {
	t.Helper()
	return scenarioStore(t, "second", secondText)
}

const secondText = `
open mode=live gate=paper capital=10000 rules=2 while_tripped=reduce mark_collar=0.25 mark_confirm_after=10s min_capital=1 registered_only=true position_dust_usd=0.1 max_market_usd=5000 max_orders_per_day=50 market_cooldown=1h max_rolling_loss_pct=0.3 max_bot_daily_loss_pct=0.6 max_bot_drawdown_pct=0.9 max_consecutive_losses=1 breaker_stops=bot
bot alpha capital=2000
bot beta capital=1000
bot idle capital=0
market rain kind=outcome outcomes=YES,NO
market cup kind=outcome outcomes=A,B,C
permit alpha buy fog/YES 10 @ 0.30
as feed ticks
mark rain/YES 0.30 rain/NO 0.70
mark cup/A 0.30 cup/B 0.30 cup/C 0.40
as operator olga
permit alpha buy rain/YES 1000 @ 0.30
buy alpha rain/YES 600 @ 0.30 permit=last
release last
# It waits, is dropped, waits again and is confirmed by time.
as feed ticks
mark rain/YES 0.90
as operator olga
permit beta buy rain/YES 10 @ 0.40
as feed ticks
mark rain/YES 0.32
mark rain/YES 0.90
wait 11s
mark cup/A 0.31
as operator olga
# A take-profit and a stop of one group.
permit alpha sell rain/YES 400 @ 0.95 group=exit
permit alpha sell rain/YES 300 @ 0.20 group=exit
sell alpha rain/YES 200 @ 0.90 permit=last
permit beta buy rain/NO 20 @ 0.10 time_in_force=fok
place last
wait 45s
mark rain/YES 0.85
# A market that nobody marks lives by the word of its holders.
market quiet kind=outcome outcomes=YES,NO
permit beta buy quiet/YES 50 @ 0.40
buy beta quiet/YES 50 @ 0.40 permit=last
permit beta buy quiet/YES 50 @ 0.55
buy beta quiet/YES 50 @ 0.55 permit=last
# A bot sleeps, wakes and sleeps again.
allocate idle 100
allocate idle -99.5
allocate idle 50
deposit 9000
as admin ada
adjust hot:treasury -8100 flow=yes of=39 reason="typed 9000 for 900"
as operator olga
# It holds NO shares of several outcomes, and is paid in parts.
buy alpha cup/!A 100 @ 0.60
buy alpha cup/B 100 @ 0.30
sets alpha split cup 10 id=s1
settle cup/A 0
payouts cup B 0 C 1
# A loss trips; the way out stays open.
buy beta rain/NO 100 @ 0.30
sell beta rain/NO 100 @ 0.10
permit beta sell quiet/YES 100 @ 0.10
sell beta quiet/YES 99.9 @ 0.50 permit=last
reset consecutive_losses beta rebase=yes reason="looked at it"
start beta
stop beta full=yes reason="away"
permit beta buy rain/YES 1 @ 0.30
start beta
permit beta buy rain/NO 10 @ 0.10
# Registered after it was traded in.
buy alpha late/YES 100 @ 0.40
buy alpha late/NO 100 @ 0.50
market late kind=outcome outcomes=YES,NO
sets alpha merge late 40 fee=0.1 id=s2
payouts late void
wait 26h
mark rain/YES 0.80
payouts rain YES 1 NO 0
`

// crowd has what stands in a record of many: trades that one command closes or revises,
// and the breakers that it warns of and trips, three of each bot.
func crowd(t *testing.T) eventstore.Store {
	t.Helper()
	var text strings.Builder
	text.WriteString("open capital=100000 rules=2 breaker_warn_at=0.5 breaker_stops=bot max_consecutive_losses=2 max_bot_drawdown_pct=0.6 max_bot_daily_loss_pct=0.6\n")
	for _, market := range []string{"cup", "bowl"} {
		fmt.Fprintf(&text, "market %s kind=outcome outcomes=A,B,C,D\n", market)
		for bot := range 35 {
			if market == "cup" {
				fmt.Fprintf(&text, "bot b%d capital=10\n", bot)
			}
			for _, outcome := range []string{"A", "B", "C"} {
				fmt.Fprintf(&text, "buy b%d %s/%s 4 @ 0.3\n", bot, market, outcome)
			}
		}
		fmt.Fprintf(&text, "payouts %s A 0 B 0 C 0 D 1\n", market)
	}
	text.WriteString("correct bowl A 0.4 B 0.3 C 0.3 D 0 reason=wrong\n")
	return scenarioStore(t, "crowd", text.String())
}

// archive has settled markets enough that some of them are archived, and come back for a late
// fill, a permit and a correction.
func archive(t *testing.T) eventstore.Store {
	t.Helper()
	var text strings.Builder
	text.WriteString("quiet on\nopen capital=100000 rules=2 max_consecutive_losses=1000 max_bot_drawdown_pct=0.9\nbot alpha capital=10000\nbot beta capital=10000\n")
	for n := range portfolio.SettledKept + 8 {
		if n%2 == 0 {
			fmt.Fprintf(&text, "market m%d kind=outcome outcomes=YES,NO category=even\n", n)
		}
		fmt.Fprintf(&text, "buy alpha m%d/YES 10 @ 0.4\nbuy beta m%d/NO 10 @ 0.6 fee=0.1\nsettle m%d/YES 1\n", n, n, n)
		if n%2 == 1 {
			fmt.Fprintf(&text, "settle m%d/NO 0\n", n)
		}
	}
	text.WriteString(`permit alpha buy m0/YES 1 @ 0.5
buy alpha m0/YES 5 @ 0.5
settle m0/YES 1
correct m2 YES 0 NO 1 reason=wrong
permit beta buy m3/MAYBE 1 @ 0.5
mark m1/YES 0.5 m71/MAYBE 0.5
`)
	return scenarioStore(t, "archive", text.String())
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
