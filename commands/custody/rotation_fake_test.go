package custody

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/domain/system"
	"pets/eventstore"
	"pets/eventstore/memory"
)

const (
	keyA = "aaaaaaaa"
	keyB = "bbbbbbbb"
	keyC = "cccccccc"
)

var errKilled = errors.New("killed")

// blob is a file of the fake keystore, as on disk.
type blob struct{ key, wallet, address, secret string }

// chest outlives every process: the files of a keystore, and the store. It fails the test
// if a rotation breaks its promises:
//   - a blob is replaced only after a record announced its wallet,
//   - that it was replaced is recorded only after it was,
//   - completion is recorded only when no blob is under another key.
type chest struct {
	t     testing.TB
	clock *clock

	mu    sync.Mutex
	store eventstore.Store
	blobs map[string]blob
	// listed, if set, is called before each listing with its number.
	listed func(n int)
	lists  int
}

func newChest(t testing.TB, key string, wallets ...string) *chest {
	c := &chest{t: t, clock: newClock(), store: memory.New(), blobs: map[string]blob{}}
	for _, w := range wallets {
		c.put(w, key)
	}
	return c
}

func addressOf(wallet string) string { return fmt.Sprintf("0x%040x", []byte(wallet)) }

func (c *chest) put(wallet, key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.blobs[wallet] = blob{key, wallet, addressOf(wallet), "secret of " + wallet}
}

// system folds the stored system stream.
func (c *chest) system() *system.State {
	s := system.New()
	for _, rec := range c.records() {
		e, err := domain.Decode(rec.Type, rec.Data)
		if err != nil {
			c.t.Errorf("revision %d: %v", rec.Revision, err)
		}
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
	}
	return s
}

func (c *chest) records() []eventstore.Record {
	var all []eventstore.Record
	err := eventstore.Walk(context.Background(), c.store, commands.SystemStream, 0, func(rec eventstore.Record) error {
		all = append(all, rec)
		return nil
	})
	if err != nil {
		c.t.Errorf("the stream cannot be read: %v", err)
	}
	return all
}

// witness checks the records to be appended against the files.
func (c *chest) witness(records []eventstore.Proposed) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range records {
		event, err := domain.Decode(p.Type, p.Data)
		if err != nil {
			c.t.Errorf("%v", err)
		}
		switch e := event.(type) {
		case *domain.KeyReencrypted:
			if b := c.blobs[e.Wallet]; b.key != e.To || b.address != e.Address {
				c.t.Errorf("%s is recorded under %s, and is under %s", e.Wallet, e.To, b.key)
			}
		case *domain.KeyRotationCompleted:
			for _, b := range c.blobs {
				if b.key != e.To {
					c.t.Errorf("completed with %s under %s", b.wallet, b.key)
				}
			}
		}
	}
}

// life is a process that dies at a given step, or never for 0. Before and after each
// effect is a step; after its death it has no effect any more.
type life struct {
	mu     sync.Mutex
	at     int
	steps  int
	panics bool // in the keystore; in the store only its goroutine ends
	names  map[string]bool
}

func (l *life) pass(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.at > 0 && l.steps >= l.at {
		return errKilled
	}
	l.steps++
	if l.names == nil {
		l.names = map[string]bool{}
	}
	l.names[name] = true
	if l.at > 0 && l.steps >= l.at {
		return errKilled
	}
	return nil
}

func (l *life) died() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.at > 0 && l.steps >= l.at
}

// process is one server: it can open blobs under the keys of its ring.
type process struct {
	*chest
	*life
	current string
	ring    []string
	fail    map[string]error // by wallet
	lie     *Resealed
}

var _ Sealer = (*process)(nil)

func (p *process) Current() string { return p.current }

// step counts a step in the keystore.
func (p *process) step(name string) error {
	err := p.pass(name)
	if err != nil && p.panics {
		panic(errKilled)
	}
	return err
}

func (p *process) SealedUnder() (map[string][]string, error) {
	if err := p.step("list"); err != nil {
		return nil, err
	}
	p.mu().Lock()
	p.lists++
	n, listed := p.lists, p.listed
	p.mu().Unlock()
	if listed != nil {
		listed(n)
	}
	p.mu().Lock()
	defer p.mu().Unlock()
	under := map[string][]string{}
	for _, w := range slices.Sorted(maps.Keys(p.blobs)) {
		under[p.blobs[w].key] = append(under[p.blobs[w].key], w)
	}
	return under, nil
}

// mu is the chest's; the life has its own.
func (p *process) mu() *sync.Mutex { return &p.chest.mu }

func (p *process) Reencrypt(wallet string) (Resealed, error) {
	if err := p.step("before a blob is replaced"); err != nil {
		return Resealed{}, err
	}
	done, err := p.replace(wallet)
	if err != nil {
		return Resealed{}, err
	}
	if err := p.step("after a blob was replaced"); err != nil {
		return Resealed{}, err
	}
	if p.lie != nil {
		return *p.lie, nil
	}
	return done, nil
}

func (p *process) replace(wallet string) (Resealed, error) {
	p.mu().Lock()
	defer p.mu().Unlock()
	b, there := p.blobs[wallet]
	switch {
	case !there:
		return Resealed{}, domain.Errorf(domain.CodeNotFound, "the wallet has no key here")
	case p.fail[wallet] != nil:
		return Resealed{}, p.fail[wallet]
	case !slices.Contains(p.ring, b.key) && b.key != p.current:
		return Resealed{}, domain.Errorf(domain.CodeUnavailable, "the encryption key is missing: %s", b.key)
	}
	done := Resealed{Wallet: wallet, Address: b.address, From: b.key, To: p.current}
	if b.key == p.current {
		return done, nil
	}
	k := p.system().Encryption()
	if open, _ := k.Open(); open.To != p.current || !slices.Contains(open.Wallets, wallet) {
		p.t.Errorf("%s is re-encrypted to %s, which no record announced", wallet, p.current)
	}
	b.key = p.current
	p.blobs[wallet] = b
	return done, nil
}

// mortal is the store as seen by a process.
type mortal struct {
	eventstore.Store
	p *process
}

func (m *mortal) step(name string) error {
	if err := m.p.pass(name); err != nil {
		return &eventstore.Unavailable{Cause: err}
	}
	return nil
}

func (m *mortal) Append(ctx context.Context, stream string, expected eventstore.Expected, records []eventstore.Proposed) (eventstore.Appended, error) {
	name := strings.TrimPrefix(records[0].Type, "key.")
	if err := m.step("before " + name); err != nil {
		return eventstore.Appended{}, err
	}
	m.p.witness(records)
	done, err := m.Store.Append(ctx, stream, expected, records)
	if err := m.step("after " + name); err != nil {
		return eventstore.Appended{}, err
	}
	return done, err
}

func (m *mortal) ReadStream(ctx context.Context, stream string, from uint64) iter.Seq2[eventstore.Record, error] {
	if err := m.step("read"); err != nil {
		return func(yield func(eventstore.Record, error) bool) { yield(eventstore.Record{}, err) }
	}
	return m.Store.ReadStream(ctx, stream, from)
}

func (m *mortal) Head(ctx context.Context, stream string) (uint64, error) {
	if err := m.step("head"); err != nil {
		return 0, err
	}
	return m.Store.Head(ctx, stream)
}

// server starts a process with a current key, and every retired one.
func (c *chest) server(current string) *process {
	return &process{chest: c, life: &life{}, current: current, ring: []string{keyA, keyB, keyC}}
}

// rotate is one run of a process, from its start to its end or its death.
func (p *process) rotate(caller domain.Caller, reason string) (report RotationReport, err error) {
	e := commands.NewEngine(&mortal{p.store, p}, commands.EngineOptions{Options: commands.Options{Now: p.clock.Now}})
	defer e.Close()
	defer func() {
		if v := recover(); v != nil {
			if err, _ = v.(error); !errors.Is(err, errKilled) {
				panic(v)
			}
		}
	}()
	return New(e, Options{Sealer: p}).RotateKeys(context.Background(), caller, reason)
}

// rotated checks the end of a rotation: every wallet is sealed under the key and can be
// opened with it alone; there is one start, one completion, and one record for each
// wallet in the latest rotation. It returns the former keys according to the records.
func (c *chest) rotated(to string) (from map[string]string) {
	t := c.t
	if h, ok := t.(interface{ Helper() }); ok {
		h.Helper()
	}
	for _, b := range c.blobs {
		require.Equal(t, blob{to, b.wallet, addressOf(b.wallet), "secret of " + b.wallet}, b)
	}
	k := c.system().Encryption()
	_, under := k.Open()
	require.False(t, under, "a rotation is left open")
	last, any := k.LastCompleted()
	require.True(t, any)
	require.Equal(t, to, last.To)
	require.Equal(t, slices.Sorted(maps.Keys(c.blobs)), last.Wallets)
	from = map[string]string{}
	counts := map[string]int{}
	for _, rec := range c.records() {
		event, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(t, err)
		switch e := event.(type) {
		case *domain.KeyRotationStarted:
			if e.To == to {
				counts["started"]++
			}
		case *domain.KeyReencrypted:
			if e.Rotation == last.Name {
				counts[e.Wallet]++
				from[e.Wallet] = e.From
				require.NotEqual(t, e.To, e.From)
			}
		case *domain.KeyRotationCompleted:
			if e.Rotation == last.Name {
				counts["completed"]++
			}
		}
	}
	want := map[string]int{"started": 1, "completed": 1}
	for w := range c.blobs {
		want[w] = 1
	}
	require.Equal(t, want, counts)
	return from
}

// known checks that every record names the key before, or one of others.
func known(t testing.TB, from map[string]string, others ...string) {
	for w, key := range from {
		require.Contains(t, others, key, w)
	}
}
