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

// Whatever happens to the index between two commands: a command is answered rightly, or refused
// as unavailable, and no fill is booked twice.
func TestAStormOnTheIndex(t *testing.T) {
	for seed := range uint64(4) {
		p := newPlace(t)
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
			require.Eventually(t, func() bool {
				_, err := p.do(key, fillOf(n))
				if code := domain.CodeOf(err); err != nil && code != domain.CodeUnavailable {
					require.NoError(t, err, "seed %d, step %d, %s", seed, step, what)
				}
				if err != nil && errors.Is(err, index.ErrClosed) { // the writer has the old keeper
					p.w.Close()
					p.w = commands.NewWriter(p.store, "main", commands.Options{History: p.k, Checkpoints: p.checkpoint(), Recent: 1})
				}
				return err == nil
			}, time.Minute, time.Millisecond, "seed %d, step %d, %s", seed, step, what)
			require.Equal(t, trades, p.booked(), "seed %d, step %d, %s", seed, step, what)
		}
		p.shut()
		p.start() // so that what closes the place can write it
		p.close()
	}
}
