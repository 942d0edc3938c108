package live_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"pets/domain"
	"pets/domain/portfolio"
	"pets/eventstore"
	"pets/internal/live"
	"pets/internal/views"
	"pets/projections"
)

// journal is a reader that can be kept. It writes what it sees to its pieces, five lines at a time.
type journal struct {
	pieces projections.Pieces
	kept   struct {
		Refs []projections.Piece
		Tail []string
	}
	seen int // events since it was made or restored

	mu       sync.Mutex
	err      error
	restores func() error // called by Restore, if not nil
}

func line(rec eventstore.Record, s *portfolio.State) string {
	return fmt.Sprintf("%s %d %s %d %v", s.Portfolio, rec.Revision, rec.Type, s.Next, s.Book)
}

func (j *journal) Apply(rec eventstore.Record, _ domain.Event, s *portfolio.State) {
	j.seen++
	j.kept.Tail = append(j.kept.Tail, line(rec, s))
	if len(j.kept.Tail) < 5 {
		return
	}
	r, err := j.pieces.Append([]byte(strings.Join(j.kept.Tail, "\n")))
	if err != nil {
		panic(err)
	}
	j.kept.Refs, j.kept.Tail = append(j.kept.Refs, r), nil
}

func (j *journal) Keep() ([]byte, error) { return json.Marshal(j.kept) }

func (j *journal) Restore(b []byte) error {
	if j.restores != nil {
		if err := j.restores(); err != nil {
			return err
		}
	}
	return json.Unmarshal(b, &j.kept)
}

func (j *journal) Err() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.err
}

// all returns what it has seen.
func (j *journal) all() (lines []string, err error) {
	for _, r := range j.kept.Refs {
		b, err := j.pieces.Read(r)
		if err != nil {
			j.mu.Lock()
			j.err = err
			j.mu.Unlock()
			return nil, err
		}
		lines = append(lines, strings.Split(string(b), "\n")...)
	}
	return append(lines, j.kept.Tail...), nil
}

// years is a store with the checkpoints and files that one server after another leaves there.
type years struct {
	*world
	shelf *shelf
	dir   string
	said  *lockedBuffer
	views *views.Folder
	// readers are the readers of this build; journals are those with a journal.
	readers  []string
	journals map[string]*live.Attachment[*journal]
	restores func(portfolio, reader string) error
	every    uint64
}

func newYears(t *testing.T, ids ...string) *years {
	y := &years{world: newWorld(t, ids...), shelf: &shelf{}, dir: filepath.Join(t.TempDir(), "views"), readers: []string{"the trades", "the curve"}, every: 3}
	y.live.Close()
	return y
}

// start starts a server, which makes a checkpoint after every few events.
func (y *years) start() {
	y.said = &lockedBuffer{}
	log := slog.New(slog.NewTextHandler(y.said, nil))
	y.views = views.In(y.dir, "store", log)
	y.live = live.New(y.store, live.Options{Prefix: prefix, Checkpoints: y.shelf, CheckpointEvery: y.every, CheckpointIdle: never, Views: y.views, Log: log})
	y.t.Cleanup(y.live.Close)
	y.journals = map[string]*live.Attachment[*journal]{}
	for _, name := range y.readers {
		y.journals[name] = live.Attach(y.live, name, func(id string, p projections.Pieces) *journal {
			j := &journal{pieces: p}
			if y.restores != nil {
				j.restores = func() error { return y.restores(id, name) }
			}
			return j
		})
	}
	require.NoError(y.t, y.live.Reached(y.t.Context()))
}

func (y *years) stop() {
	y.live.Close()
	require.NoError(y.t, y.views.Close())
}

// kill ends a server without its last checkpoints. Its files may have what no checkpoint has.
func (y *years) kill() {
	y.shelf.deaf.Store(true)
	y.stop()
	y.shelf.deaf.Store(false)
}

// want is what a reader has seen that folds the history from its first record.
func (y *years) want(id string) (lines []string) {
	s := portfolio.New()
	for rec, err := range y.store.ReadStream(y.t.Context(), prefix+id, 0) {
		require.NoError(y.t, err)
		e, err := domain.Decode(rec.Type, rec.Data)
		require.NoError(y.t, err)
		s.Apply(domain.Stamp{Revision: rec.Revision, Time: rec.Time}, e)
		lines = append(lines, line(rec, s))
	}
	return lines
}

// read returns what a reader of a portfolio has seen, and how much of it since the start.
func (y *years) read(id, reader string) (lines []string, seen int, err error) {
	p := y.open(id)
	if err := y.reach(p); err != nil {
		return nil, 0, err
	}
	err = p.Read(func(*portfolio.State) error {
		j, err := y.journals[reader].Of(p)
		if err == nil {
			seen = j.seen
			lines, err = j.all()
		}
		return err
	})
	return lines, seen, err
}

// requireAll checks all readers of portfolios. One whose pieces are damaged may have to be folded again.
func (y *years) requireAll(ids ...string) {
	y.t.Helper()
	for _, id := range ids {
		want := y.want(id)
		for _, reader := range y.readers {
			var got []string
			var err error
			for range 10_000 {
				if got, _, err = y.read(id, reader); err == nil {
					break
				}
				require.Equal(y.t, domain.CodeUnavailable, max(domain.CodeOf(err), domain.CodeUnavailable))
				time.Sleep(time.Millisecond)
			}
			require.NoError(y.t, err, "%s", y.said.bytes())
			require.Equal(y.t, want, got, "%s of %s", reader, id)
		}
	}
}

// requireSeen checks how many events the readers of a portfolio have seen since the start.
func (y *years) requireSeen(id string, want int) {
	y.t.Helper()
	for _, reader := range y.readers {
		_, seen, err := y.read(id, reader)
		require.NoError(y.t, err)
		require.Equal(y.t, want, seen, "%s\n%s", reader, y.said.bytes())
	}
}

// files returns the files of pieces, with those of a portfolio first.
func (y *years) files(id string) (all []string) {
	entries, _ := os.ReadDir(y.dir)
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), fmt.Sprintf("%x@", prefix+id)) {
			all = append(all, filepath.Join(y.dir, e.Name()))
		}
	}
	return all
}
