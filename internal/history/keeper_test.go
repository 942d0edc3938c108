package history

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/eventstore/embedded"
	"pets/internal/index"
)

// place is a store with a writer whose past is looked up.
type place struct {
	t     *testing.T
	dir   string
	store *embedded.Store
	k     *Keeper
	w     *commands.Writer
	n     int
	kept  *int // settled markets that stay in the state
}

func newPlace(t *testing.T) *place {
	p := &place{t: t, dir: t.TempDir()}
	p.open()
	t.Cleanup(p.close)
	p.must(commands.OpenPortfolio{ID: "main", Mode: domain.ModePaper, BaseAsset: "USDC", BaseDecimals: 6, Policy: domain.DefaultPolicy(domain.ModePaper)})
	p.must(commands.RecordDeposit{Wallet: domain.WalletHot, Amount: domain.MustDecimal("10000")})
	p.must(commands.RegisterBot{ID: "a", Capital: domain.MustDecimal("1000"), Start: true})
	return p
}

func (p *place) indexDir() string { return filepath.Join(p.dir, "index") }

func (p *place) open() {
	p.t.Helper()
	var err error
	p.store, err = embedded.Open(filepath.Join(p.dir, "store"), embedded.Options{})
	require.NoError(p.t, err)
	p.start()
}

func (p *place) start() {
	p.k = New(p.store, Options{Dir: p.indexDir(), Idle: 20 * time.Millisecond, Least: 1, FlushEvery: 7})
	p.w = p.writer()
}

// writer begins with nothing of the past in memory.
func (p *place) writer() *commands.Writer {
	return commands.NewWriter(p.store, "main", commands.Options{History: p.k, Checkpoints: p.checkpoint(), Recent: 1, SettledKept: p.kept})
}

// checkpoint is one of the state as it is now, so that a writer that starts from it has nothing
// of the past in memory.
func (p *place) checkpoint() commands.Checkpoints {
	p.t.Helper()
	s := portfolio.New()
	require.NoError(p.t, eventstore.Walk(context.Background(), p.store, commands.Stream("main"), 0, func(rec eventstore.Record) error {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err == nil {
			s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		}
		return err
	}))
	if s.Next == 0 {
		return nil
	}
	b, err := s.Snapshot()
	require.NoError(p.t, err)
	return checkpoint{s.Next - 1, b}
}

type checkpoint struct {
	revision uint64
	state    []byte
}

func (c checkpoint) Load(kind, stream string, atMost uint64) (uint64, []byte) {
	if kind != commands.CheckpointState || stream != commands.Stream("main") || atMost < c.revision {
		return 0, nil
	}
	return c.revision, c.state
}

func (p *place) stop() {
	p.w.Close()
	require.NoError(p.t, p.k.Close())
}

func (p *place) close() {
	if p.store == nil {
		return
	}
	p.stop()
	require.NoError(p.t, p.store.Close())
	p.store = nil
}

func (p *place) ready() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	require.NoError(p.t, p.k.Ready(ctx))
}

var olga = domain.Caller{User: "olga", Role: domain.RoleOperator}

func (p *place) do(key string, c commands.Command) (commands.Answer, error) {
	return p.w.Do(context.Background(), commands.Request{Caller: olga, Key: key, Command: c})
}

func (p *place) must(c commands.Command) commands.Answer {
	p.t.Helper()
	p.ready()
	p.n++
	a, err := p.do(fmt.Sprint("key", p.n), c)
	require.NoError(p.t, err)
	return a
}

func fillOf(n int) commands.RecordFill {
	side := domain.Buy
	if n%2 == 1 {
		side = domain.Sell
	}
	return commands.RecordFill{
		FillID: domain.FillID{Bot: "a", Venue: "v", TradeID: fmt.Sprint("t", n)}, Instrument: domain.Instrument{Market: "m", Outcome: "YES"},
		Side: side, Quantity: domain.MustDecimal("1"), Price: domain.MustDecimal("0.5"),
	}
}

// fills records fills under their numbers as keys.
func (p *place) fills(from, to int) {
	p.t.Helper()
	p.ready()
	for n := from; n < to; n++ {
		a, err := p.do(fmt.Sprint("fill", n), fillOf(n))
		require.NoError(p.t, err)
		require.False(p.t, a.Replayed)
	}
}

// booked counts the fills of the log.
func (p *place) booked() (n int) {
	for rec, err := range p.store.ReadAll(context.Background(), eventstore.Position{}) {
		require.NoError(p.t, err)
		if rec.Type == domain.FillRecordedType {
			n++
		}
	}
	return n
}

// repeats sends every fill again: as the same command, and as another one. Nothing is booked.
func (p *place) repeats(fills int) {
	p.t.Helper()
	p.ready()
	before := p.booked()
	require.Equal(p.t, fills, before)
	for n := range fills {
		a, err := p.do(fmt.Sprint("fill", n), fillOf(n))
		require.NoError(p.t, err)
		require.True(p.t, a.Replayed, "the command %d is known", n)
		p.n++
		_, err = p.do(fmt.Sprint("key", p.n), fillOf(n))
		require.NoError(p.t, err)
		other := fillOf(n)
		other.Quantity = domain.MustDecimal("2")
		p.n++
		_, err = p.do(fmt.Sprint("key", p.n), other)
		require.Equal(p.t, domain.CodeTradeIDConflict, domain.CodeOf(err), "%v", err)
	}
	require.Equal(p.t, before, p.booked())
}

// Whatever is known is known after a restart, with the index as it was, deleted, damaged, cut,
// from an earlier moment, or of another store.
func TestWhatIsRecordedStaysKnown(t *testing.T) {
	const fills = 30
	p := newPlace(t)
	p.fills(0, 10)
	p.stop()
	old := filepath.Join(t.TempDir(), "index")
	require.NoError(t, os.CopyFS(old, os.DirFS(p.indexDir())))
	p.start()
	p.fills(10, fills)
	p.repeats(fills)
	another := newPlace(t)
	another.fills(0, 10)
	another.close()
	replace := func(with string) {
		require.NoError(t, os.RemoveAll(p.indexDir()))
		if with != "" {
			require.NoError(t, os.CopyFS(p.indexDir(), os.DirFS(with)))
		}
	}
	each := func(change func(path string)) {
		names, err := filepath.Glob(filepath.Join(p.indexDir(), "*.run"))
		require.NoError(t, err)
		require.NotEmpty(t, names)
		for _, name := range names {
			change(name)
		}
	}
	for _, c := range []struct {
		name   string
		change func()
	}{
		{"as it was", func() {}},
		{"deleted", func() { replace("") }},
		{"from an earlier moment", func() { replace(old) }},
		{"of another store", func() { replace(another.indexDir()) }},
		{"cut", func() { each(func(path string) { require.NoError(t, os.Truncate(path, 100)) }) }},
		{"damaged", func() {
			each(func(path string) {
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				b[len(b)/3] ^= 4
				require.NoError(t, os.WriteFile(path, b, 0o600))
			})
		}},
		{"of another version", func() {
			each(func(path string) {
				b, err := os.ReadFile(path)
				require.NoError(t, err)
				b[len(b)-152]++
				require.NoError(t, os.WriteFile(path, b, 0o600))
			})
		}},
	} {
		p.stop()
		c.change()
		p.start()
		p.ready()
		p.repeatsAfterDamage(c.name, fills)
	}
}

// repeatsAfterDamage lets the index be made again when a look-up meets damage: until then
// nothing is decided.
func (p *place) repeatsAfterDamage(name string, fills int) {
	p.t.Helper()
	for n := range fills {
		require.Eventually(p.t, func() bool {
			p.n++
			_, err := p.do(fmt.Sprint("key", p.n), fillOf(n))
			if err != nil {
				require.Equal(p.t, domain.CodeUnavailable, domain.CodeOf(err), "%s: %v", name, err)
			}
			return err == nil
		}, 30*time.Second, time.Millisecond, name)
	}
	p.repeats(fills)
	require.NoError(p.t, p.k.Verify(context.Background(), nil))
}

// A store that was put back to an earlier moment, and went another way: the index of the
// history that is lost is not believed.
func TestAnotherHistory(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 5)
	p.close()
	backup := filepath.Join(t.TempDir(), "backup")
	require.NoError(t, os.CopyFS(backup, os.DirFS(filepath.Join(p.dir, "store"))))
	p.open()
	p.fills(5, 20)
	p.close()
	require.NoError(t, os.RemoveAll(filepath.Join(p.dir, "store")))
	require.NoError(t, os.CopyFS(filepath.Join(p.dir, "store"), os.DirFS(backup)))
	p.open()
	p.ready()
	p.repeats(5) // 5 to 19 are lost, and not known
	p.fills(5, 9)
	p.repeats(9)
	require.NoError(t, p.k.Verify(context.Background(), nil))
}

// wrongRevisions makes an index of the same records, under the wrong revisions.
func (p *place) wrongRevisions() {
	p.t.Helper()
	require.NoError(p.t, index.Clear(p.indexDir()))
	x, err := index.Open(p.indexDir(), p.store.UUID(), RootOf(p.store))
	require.NoError(p.t, err)
	for a, err := range additions(context.Background(), p.store, nil) {
		require.NoError(p.t, err)
		for i := range a.Entries {
			a.Entries[i].Value[7]++
		}
		require.NoError(p.t, x.Add(a.At, a.Entries...))
	}
	require.NoError(p.t, x.Flush(context.Background()))
	require.NoError(p.t, x.Close())
}

// A record that the index names wrongly is no answer: nothing is decided, and the index is
// made again.
func TestAHitThatTheLogContradicts(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 3)
	p.ready()
	stream := commands.Stream("main")
	require.NoError(t, p.k.Await(context.Background(), stream, 4))
	p.stop()
	p.wrongRevisions()
	p.start()
	p.ready()
	_, err := p.do("new", fillOf(0))
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err), "%v", err)
	require.Equal(t, 3, p.booked())
	require.Eventually(t, func() bool { return p.k.Err() == nil && p.k.Rebuilt() == 1 }, 30*time.Second, time.Millisecond)
	require.NoError(t, p.k.Verify(context.Background(), nil))
	p.repeats(3)
}

// Doubt ends every answer at once, and for as long as the index is made again.
func TestDoubt(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 3)
	doubt := errors.New("the log says otherwise")
	p.k.Doubt(doubt)
	_, _, err := p.k.Find(commands.Stream("main"), nil)
	require.Error(t, err)
	require.Error(t, p.k.Err())
	require.Eventually(t, func() bool { return p.k.Err() == nil }, 30*time.Second, time.Millisecond)
	require.EqualValues(t, 1, p.k.Rebuilt())
	p.repeats(3)
}

// The entries of a record depend on the record and the one before it alone, wherever an index
// begins: the entry of a command is that of its first record.
func TestEntriesFromAnyRecordOn(t *testing.T) {
	p := newPlace(t)
	p.fills(0, 12)
	var all []index.Addition
	for a, err := range additions(context.Background(), p.store, nil) {
		require.NoError(t, err)
		all = append(all, a)
	}
	for i := range all {
		ids := commands.NewIdentities(p.store)
		at := eventstore.Position{Commit: uint64(all[i].At) - 1}
		for rec, err := range p.store.ReadAll(context.Background(), at) {
			require.NoError(t, err)
			entries, err := additionOf(context.Background(), ids, &rec, nil)
			require.NoError(t, err)
			require.Equal(t, all[i].Entries, entries, "record %d", i)
			break
		}
	}
}

// The index that is read beside a server agrees with the log.
func TestVerifyFolder(t *testing.T) {
	p := newPlace(t)
	t.Setenv("TMPDIR", "/nowhere/at/all") // what it writes, it writes beside the index
	_, ok, err := VerifyFolder(context.Background(), filepath.Join(p.dir, "none"), p.store, p.store.UUID())
	require.NoError(t, err)
	require.False(t, ok)
	p.fills(0, 12)
	require.Eventually(t, func() bool {
		s, ok := p.k.Stats()
		return ok && s.Flushed > 0
	}, 30*time.Second, time.Millisecond)
	s, ok, err := VerifyFolder(context.Background(), p.indexDir(), p.store, p.store.UUID())
	require.NoError(t, err)
	require.True(t, ok)
	require.Positive(t, s.Total().Entries)
	_, _, err = VerifyFolder(context.Background(), p.indexDir(), p.store, uuid.New())
	require.ErrorIs(t, err, index.ErrStore)
}

// A record that cannot be read as an event keeps everything from being decided, and says so.
func TestARecordThatDoesNotDecode(t *testing.T) {
	p := newPlace(t)
	p.close()
	var err error
	p.store, err = embedded.Open(filepath.Join(p.dir, "store"), embedded.Options{})
	require.NoError(t, err)
	head, err := p.store.Head(context.Background(), commands.Stream("main"))
	require.NoError(t, err)
	meta, err := domain.EncodeMetadata(domain.Metadata{Actor: "olga", Role: domain.RoleOperator, Command: "record_fill", CommandID: uuid.NewString(), RequestHash: hex.EncodeToString(make([]byte, 32))})
	require.NoError(t, err)
	_, err = p.store.Append(context.Background(), commands.Stream("main"), eventstore.At(head), []eventstore.Proposed{
		{ID: uuid.New(), Type: domain.FillRecordedType, Time: time.Now(), Metadata: meta, Data: []byte(`{"no":`)},
	})
	require.NoError(t, err)
	p.k = New(p.store, Options{Dir: p.indexDir()})
	p.w = commands.NewWriter(p.store, "main", commands.Options{History: p.k})
	require.ErrorContains(t, p.k.Ready(context.Background()), "revision")
	_, err = p.do("k", fillOf(1))
	require.Equal(t, domain.CodeUnavailable, domain.CodeOf(err))
}
