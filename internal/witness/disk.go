package witness

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"pets/internal/owner"
)

// Names in the folder of a witness.
const (
	fileName = "witness"
	lockName = "LOCK"
	tmpName  = "witness.tmp"
)

// disk is the folder of a witness, for one writer. Any error of a write leaves the
// end of the file unknown; what is written next is then a whole new file.
type disk struct {
	dir   string
	owner string   // new files get the owner of this, when root makes them
	file  *os.File // nil until a whole file was written
	size  int64
	least int64 // its size when it was last written whole
	aside bool  // the file that is there is kept when the first is written
}

// compactFrom is the size below which a file is never written anew.
const compactFrom = 1 << 20

// full reports that the next pass has to be a whole new file: there is none, or it
// has grown to four times of what it takes to say the same.
func (d *disk) full() bool { return d.file == nil || d.size > max(compactFrom, 4*d.least) }

// append adds a pass, durably.
func (d *disk) append(b []byte) error {
	_, err := d.file.WriteAt(b, d.size)
	if err = errors.Join(err, syncData(d.file, err)); err != nil {
		d.close()
		return err
	}
	d.size += int64(len(b))
	return nil
}

func syncData(f *os.File, failed error) error {
	if failed != nil {
		return nil // it stands already
	}
	return f.Sync()
}

// replace writes a whole file in the place of the one there is.
func (d *disk) replace(b []byte) error {
	d.close()
	if err := d.make(); err != nil {
		return err
	}
	root, err := owner.OpenRoot(d.dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // its files have handles of their own
	f, err := owner.Create(root, tmpName)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, syncData(f, err))
	if err == nil {
		err = d.keepAside()
	}
	if err == nil {
		err = root.Rename(tmpName, fileName)
	}
	if err == nil {
		err = syncDir(d.dir)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	d.file, d.size, d.least = f, int64(len(b)), int64(len(b))
	return nil
}

// keepAside gives the file that is there another name, once: it is the only one that
// knows what is missing.
func (d *disk) keepAside() error {
	if !d.aside {
		return nil
	}
	old := filepath.Join(d.dir, fileName)
	kept := old + ".until-" + time.Now().UTC().Format("20060102T150405Z")
	for n := 2; ; n++ {
		if _, err := os.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			break
		}
		kept = fmt.Sprintf("%s.until-%s-%d", old, time.Now().UTC().Format("20060102T150405Z"), n)
	}
	if err := os.Rename(old, kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.aside = false
	return nil
}

// make makes the folder if there is none.
func (d *disk) make() error {
	if _, err := os.Stat(d.dir); err == nil {
		return nil
	}
	if err := owner.MkdirLike(d.dir, d.owner); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.dir))
}

func (d *disk) close() {
	if d.file != nil {
		_ = d.file.Close() // everything that was acknowledged in it is flushed
		d.file = nil
	}
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readBook reads the file of a folder; nil means that there is none.
func readBook(dir string) (*book, error) {
	b, err := readPlain(dir, fileName)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // no file is no book
	case err != nil:
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	return parse(b)
}

// maxFile bounds what is read into memory: a million streams take some 600 MB.
const maxFile = 2 << 30

// readPlain reads a plain file of a folder: no link is followed, no pipe waited for.
func readPlain(dir, name string) ([]byte, error) {
	root, err := owner.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing is written through it
	f, err := owner.Open(root, name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // read only
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.Size() > maxFile:
		return nil, fmt.Errorf("it has %d bytes; the most is %d", info.Size(), maxFile)
	}
	return io.ReadAll(io.LimitReader(f, maxFile+1))
}
