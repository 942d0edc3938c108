package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Resettle makes the folder of the index again if it was removed, and copies the runs
// into it: their files are still open, so nothing is lost but their names. It is for a
// [Index.Flush] that failed with fs.ErrNotExist. done says that the folder had been
// removed and is there again; false, without an error, that it was not removed. A parent
// folder that is missing too is not made: it may be a disk that is to be mounted.
//
// Look-ups and Add go on meanwhile. After an error the index is as it was.
func (x *Index) Resettle(ctx context.Context) (done bool, err error) {
	x.flushing.Lock()
	defer x.flushing.Unlock()
	x.unpaced.Store(true) // a merge into the removed folder ends the sooner
	x.merging.Lock()
	x.unpaced.Store(false)
	defer x.merging.Unlock()
	if x.path == "" || !removed(x.dir) {
		return false, nil
	}
	if err := x.resettle(ctx); err != nil {
		return false, fmt.Errorf("index: making its folder again: %w", err)
	}
	x.wakeMerger()
	return true, nil
}

// removed reports whether the folder behind a handle has no name any more: no file can
// be made in it then.
func removed(d folder) bool {
	probe := runName{0, 0, 0}.String() + tempSuffix // the next opening removes it otherwise
	f, err := d.create(probe)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist)
	}
	_ = errors.Join(f.Close(), d.remove(probe)) // nothing is in it
	return false
}

// resettle is called under the locks of flushes and of merges, so the lists of runs stay
// as they are.
func (x *Index) resettle(ctx context.Context) error {
	if _, err := os.Stat(filepath.Dir(x.path)); err != nil {
		return err
	}
	if err := Clear(x.path); err != nil { // what another process left there could count later
		return err
	}
	d, err := openFolder(x.path, true)
	if err != nil {
		return err
	}
	var lists [tables]*runList
	for t := range lists {
		if lists[t], err = x.copyRuns(ctx, d, x.tables[t].list.runs); err != nil {
			break
		}
	}
	if err == nil {
		err = x.settleIn(lists)
	}
	if err != nil {
		for _, l := range lists {
			if l != nil {
				l.release()
			}
		}
		return errors.Join(err, d.close())
	}
	old := x.dir
	x.dir = d
	_ = old.close() // nothing can be written through it
	return nil
}

// settleIn puts lists of copies in the place of the runs.
func (x *Index) settleIn(lists [tables]*runList) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return ErrClosed
	}
	for t := range x.tables {
		old := x.tables[t].list
		x.tables[t].list = lists[t]
		old.release()
	}
	return nil
}

// copyRuns copies runs into a folder, and opens the copies.
func (x *Index) copyRuns(ctx context.Context, d folder, runs []*run) (*runList, error) {
	var copies []*run
	for _, r := range runs {
		c, err := x.copyRun(ctx, d, r)
		if err != nil {
			newRunList(copies...).release()
			return nil, err
		}
		copies = append(copies, c)
	}
	return newRunList(copies...), nil
}

func (x *Index) copyRun(ctx context.Context, d folder, r *run) (*run, error) {
	size, err := r.file.size()
	if err != nil {
		return nil, err
	}
	if err := x.mayWrite(uint64(size)); err != nil { //nolint:gosec // a length
		return nil, err
	}
	temp := r.name.String() + tempSuffix
	f, err := d.create(temp)
	if err != nil {
		return nil, err
	}
	from := io.NewSectionReader(r.file, 0, size)
	for n := int64(1); n > 0 && err == nil; {
		if n, err = io.CopyN(f, from, chunkLen); errors.Is(err, io.EOF) {
			err = nil
		}
		if err == nil {
			err = x.pace(ctx, int(n))
		}
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = d.rename(temp, r.name.String())
	}
	if err != nil {
		return nil, errors.Join(err, d.remove(temp))
	}
	return openRun(d, r.name, x.store) // which compares its checksums
}
