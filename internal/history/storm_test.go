package history

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/commands"
	"pets/domain"
	"pets/internal/index"
)

// harm does something to the index of a place, between two commands.
func (p *place) harm(random *rand.Rand) string {
	p.t.Helper()
	switch random.IntN(12) {
	case 0:
		p.k.Doubt(errors.New("a test doubts it"))
		return "doubted"
	case 1:
		p.shut()
		p.start()
		return "started again"
	case 2:
		p.shut()
		require.NoError(p.t, os.RemoveAll(p.indexDir()))
		p.start()
		return "deleted, and started again"
	case 3, 4:
		p.flipBit(random)
		return "a bit is flipped"
	case 5:
		require.NoError(p.t, os.RemoveAll(p.indexDir()))
		return "deleted"
	case 6:
		_ = p.k.Close() // the writer goes on without an index
		p.k = New(p.store, Options{Dir: p.indexDir(), Idle: 20 * time.Millisecond, Least: 1, FlushEvery: 7})
		return "closed"
	}
	return ""
}

// shut stops the writer and the index. An index of which the folder is gone cannot be written,
// which says so and loses nothing.
func (p *place) shut() {
	p.w.Close()
	_ = p.k.Close()
}

// flipBit changes one bit of a file of the index, which is open.
func (p *place) flipBit(random *rand.Rand) {
	p.t.Helper()
	names, err := filepath.Glob(filepath.Join(p.indexDir(), "ids-*.run"))
	require.NoError(p.t, err)
	if len(names) == 0 {
		return
	}
	f, err := os.OpenFile(names[random.IntN(len(names))], os.O_RDWR, 0)
	if err != nil {
		return // it was merged meanwhile
	}
	defer f.Close()
	size, err := f.Seek(0, 2)
	require.NoError(p.t, err)
	at, b := random.Int64N(size), make([]byte, 1)
	_, err = f.ReadAt(b, at)
	require.NoError(p.t, err)
	b[0] ^= 1 << random.IntN(8)
	_, err = f.WriteAt(b, at)
	require.NoError(p.t, err)
}

// alternates requires that the market was archived, and restored before it was needed, in turn.
func (p *place) alternates() {
	p.t.Helper()
	archived, times := false, 0
	for rec, err := range p.store.ReadStream(p.t.Context(), commands.Stream("main"), 0) {
		require.NoError(p.t, err)
		switch rec.Type {
		case domain.MarketArchivedType:
			require.False(p.t, archived, "revision %d", rec.Revision)
			archived, times = true, times+1
		case domain.MarketRestoredType:
			require.True(p.t, archived, "revision %d", rec.Revision)
			archived = false
		case domain.FillRecordedType, domain.MarketSettledType:
			require.False(p.t, archived, "revision %d is in an archived market", rec.Revision)
		}
	}
	require.Positive(p.t, times)
}

// Whatever happens to the index between two commands: a command is answered rightly, or refused
// as unavailable, and no fill is booked twice. Its market is settled now and then, and archived,
// and every fill that comes later finds it.
func TestAStormOnTheIndex(t *testing.T) {
	for seed := range uint64(4) {
		p := newPlace(t)
		p.kept = new(int)
		random := rand.New(rand.NewPCG(seed, 7))
		trades := 0
		for step := range 60 {
			what := p.harm(random)
			n, key := random.IntN(trades+2), ""
			if n >= trades { // a new one
				n, trades = trades, trades+1
			}
			if key = fmt.Sprint("fill", n); random.IntN(2) == 0 {
				key = fmt.Sprint("seed", seed, "step", step)
			}
			command := commands.Command(fillOf(n))
			if settles := trades > n+1 && random.IntN(2) == 0; settles { // in place of a repeat
				key, command = fmt.Sprint("seed", seed, "settles", step), commands.SettleMarket{Instrument: fillOf(0).Instrument, Payout: domain.One}
			}
			require.Eventually(t, func() bool {
				_, err := p.do(key, command)
				if code := domain.CodeOf(err); err != nil && code != domain.CodeUnavailable {
					require.NoError(t, err, "seed %d, step %d, %s", seed, step, what)
				}
				if err != nil && errors.Is(err, index.ErrClosed) { // the writer has the old keeper
					p.w.Close()
					p.w = p.writer()
				}
				return err == nil
			}, time.Minute, time.Millisecond, "seed %d, step %d, %s", seed, step, what)
			require.Equal(t, trades, p.booked(), "seed %d, step %d, %s", seed, step, what)
		}
		p.alternates()
		p.shut()
		p.start() // so that what closes the place can write it
		p.close()
	}
}
