package serve_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"pets/internal/open"
)

// shown is what is shown of the whole history of a portfolio.
type shown struct{ oldest, newest, stats, equity string }

// show reads it, which is the same at any time: nothing of it depends on the clock.
func (d *traded) show() (s shown, err error) {
	for path, into := range map[string]*string{"/trades?limit=1000": &s.oldest, "/trades?after=2000&limit=1000": &s.newest, "/stats": &s.stats, "/equity?points=1000": &s.equity} {
		var answer json.RawMessage
		if err := d.main.Get(d.t.Context(), path, &answer); err != nil {
			return shown{}, err
		}
		*into = string(answer)
	}
	return s, nil
}

// trade reports closed trades, 100 at a time.
func (d *traded) trade(from, to int) {
	d.t.Helper()
	for ; from < to; from += 100 {
		var commands []map[string]any
		for n := from; n < min(from+100, to); n++ {
			commands = append(commands, map[string]any{"idempotency_key": keyOf(n), "command": "record_trade", "body": map[string]any{
				"bot": "alpha", "market": fmt.Sprint("m", n%7), "trade_id": fmt.Sprint("c", n), "pnl": []string{"1", "2.5", "-0.5"}[n%3],
			}})
		}
		var answer struct{ Results []batchResult }
		require.NoError(d.t, d.main.Post(d.t.Context(), "/batch", uuid.NewString(), map[string]any{"commands": commands}, &answer))
		for _, r := range answer.Results {
			require.Equal(d.t, 200, r.Status, "%+v", r)
		}
	}
}

// Trades, statistics and the equity curve are the same after any end of a server, and whatever becomes
// of the files that they are read from.
func TestTheHistoryIsShownWhateverBecomesOfTheViews(t *testing.T) {
	t.Parallel()
	d := newTraded(t)
	d.trade(0, 2600)
	views, snapshots := filepath.Join(d.folder, open.ViewsDir), filepath.Join(d.folder, open.CheckpointDir)
	changed := 0
	each := func(change func(b []byte) []byte) func() {
		return func() {
			all, err := filepath.Glob(filepath.Join(views, "*"))
			require.NoError(t, err)
			changed = len(all)
			for _, name := range all {
				b, err := os.ReadFile(name)
				require.NoError(t, err)
				require.NoError(t, os.WriteFile(name, change(b), 0o600))
			}
		}
	}
	kill := (&filled{traded: d}).kill
	const flipped = "a flipped bit in every piece"
	booked := 2600
	for _, c := range []struct {
		name   string
		end    func()
		change func()
	}{
		{"as it was", d.stop, func() {}},
		{"after a kill", kill, func() {}},
		{"without the views", d.stop, func() { require.NoError(t, os.RemoveAll(views)) }},
		{"without the views after a kill", kill, func() { require.NoError(t, os.RemoveAll(views)) }},
		{"without checkpoints", d.stop, func() { require.NoError(t, os.RemoveAll(snapshots)) }},
		{"cut", d.stop, each(func(b []byte) []byte { return b[:len(b)/2] })},
		{flipped, d.stop, each(func(b []byte) []byte {
			for i := 300; i < len(b); i += 500 { // a piece is longer
				b[i] ^= 1
			}
			return b
		})},
		{"longer", d.stop, each(func(b []byte) []byte { return append(b, "more"...) })},
		{"at the end", d.stop, func() {}},
	} {
		before, err := d.show()
		require.NoError(t, err)
		require.Contains(t, before.newest, fmt.Sprintf(`"c%d"`, booked-1), c.name)
		c.end()
		c.change()
		d.start()
		after, err := d.show()
		for n := 0; err != nil && n < 600; n++ { // a damaged file is made again
			require.ErrorContains(t, err, "folded again", c.name)
			time.Sleep(50 * time.Millisecond)
			after, err = d.show()
		}
		require.NoError(t, err, c.name)
		require.Equal(t, before, after, c.name)
		if c.name == flipped && changed > 0 {
			d.server.Says("its portfolio is folded again from the first record")
			d.server.Says("all its reads are answered")
		}
		d.trade(booked, booked+10)
		booked += 10
	}
	ran := d.server.Pets(d.folder, "", "verify")
	require.Zero(t, ran.Code, "%s%s", ran.Out, ran.Err)
}
