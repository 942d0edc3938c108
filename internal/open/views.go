package open

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"pets/eventstore/embedded"
	"pets/internal/views"
)

func (a *Place) viewsDir() string { return filepath.Join(a.Config.ServerDir(), ViewsDir) }

// views returns the folder of what the readers of a store have written, which is made when
// something is written, or nil if others can have written to it.
func (a *Place) views(store Store, log *slog.Logger) *views.Folder {
	dir := a.viewsDir()
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		a.Caution(dir + " is not a folder. Move it away: until then nothing of read models is kept for the next start. It is tried again by itself")
	} else if _, err := os.Lstat(dir); err == nil {
		a.closes(dir)
		if err := a.trusts(dir); err != nil {
			a.Caution(err.Error() + ". Read models stay in memory, and are folded from the first record at every start")
			return nil
		}
	}
	v := views.In(dir, store.UUID().String(), log)
	v.Leave(uint64(a.Config.DiskReserve), embedded.FreeOn) //nolint:gosec // not negative
	return v
}

// Views describes the folder of what the readers of a store have written.
type Views struct {
	Dir      string
	There    bool // there is one
	Files    int
	Bytes    int64
	Problems []string // files that no start uses, and why
}

// LookAtViews looks at that folder, beside a running server.
func (a *Place) LookAtViews(store Store) Views {
	v := Views{Dir: a.viewsDir()}
	found, err := views.Look(v.Dir, store.UUID().String())
	if errors.Is(err, fs.ErrNotExist) {
		return v
	}
	v.There, v.Files, v.Bytes, v.Problems = true, found.Files, found.Bytes, found.Problems
	if err == nil {
		err = a.trusts(v.Dir)
	}
	if err != nil {
		v.Problems = append(v.Problems, err.Error())
	}
	return v
}
