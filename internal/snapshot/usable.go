package snapshot

import (
	"errors"
	"io/fs"
	"slices"
	"sync"

	"pets/internal/owner"
)

// unusables remembers listed files that were read and are not what was listed, by name.
type unusables struct {
	mu  sync.Mutex
	all map[string]struct{}
}

func (u *unusables) has(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	_, is := u.all[name]
	return is
}

// add returns false if the file is known already.
func (u *unusables) add(name string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.all == nil {
		u.all = map[string]struct{}{}
	}
	_, known := u.all[name]
	u.all[name] = struct{}{}
	return !known
}

// drop forgets a file that was made again, or that somebody put back.
func (u *unusables) drop(name string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.all, name)
}

// forGood reports an error of a file that reading it again does not mend.
func forGood(err error) bool {
	return errors.Is(err, errUnknown) || errors.Is(err, errFormat) || errors.Is(err, errLonger) || errors.Is(err, fs.ErrNotExist)
}

// usable returns the listed files that are there, with their length, and were not found to be
// others. The rest do not count: a checkpoint that is lost or damaged is made again.
func (f *Folder) usable(stream string, items []item) []item {
	root, err := owner.OpenRoot(f.dir)
	if err != nil {
		return nil
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	return slices.DeleteFunc(slices.Clone(items), func(c item) bool {
		file := name(c.kind, stream, c.size)
		info, err := root.Lstat(file)
		return err != nil || info.Size() != c.bytes || f.unusable.has(file)
	})
}
