package witness

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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
	tmp := filepath.Join(d.dir, tmpName)
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	giveTo(tmp, d.dir)
	_, err = f.Write(b)
	err = errors.Join(err, syncData(f, err))
	if err == nil {
		err = os.Rename(tmp, filepath.Join(d.dir, fileName))
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

// make makes the folder if there is none.
func (d *disk) make() error {
	if _, err := os.Stat(d.dir); err == nil {
		return nil
	}
	if err := os.MkdirAll(d.dir, 0o700); err != nil {
		return err
	}
	giveTo(d.dir, d.owner)
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
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil //nolint:nilnil // no file is no book
	case err != nil:
		return nil, fmt.Errorf("it cannot be read: %w", err)
	}
	return parse(b)
}
