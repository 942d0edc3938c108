package witness

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"pets/internal/owner"
)

// Names in the folder of a witness.
const (
	fileName = "witness"
	lockName = "LOCK"
	tmpName  = "witness.tmp"
)

// disk is the folder of a witness, for one writer. After a failed write the end
// of the file is unknown, so the next write is a whole new file.
type disk struct {
	dir   string
	owner string    // new files get the owner of this if root creates them
	id    uuid.UUID // of the store
	open  func(dir string) (*os.Root, error)

	root *os.Root // the folder; nil until it was entered
	held *os.File // its lock
	file *os.File // nil until a whole file was written
	was  *os.File // the file of that name while file is nil; nil if there is none
	size int64
	last lastPass
	// least is its size when it was last written whole.
	least int64
	aside bool // the existing file is kept when the next whole one is written
}

// lastPass is the beginning and the offset of the pass written last.
type lastPass struct {
	at   int64
	head [passLen]byte
}

// compactFrom is the size below which a file is never rewritten.
const compactFrom = 1 << 20

// full reports that the next pass has to be a whole new file: there is none, or
// it has grown to four times the necessary size.
func (d *disk) full() bool { return d.file == nil || d.size > max(compactFrom, 4*d.least) }

// append adds a pass, durably.
func (d *disk) append(b []byte) error {
	_, err := d.file.WriteAt(b, d.size)
	if err = errors.Join(err, syncData(d.file, err)); err != nil {
		d.spoiled()
		return err
	}
	d.last = lastPass{d.size, [passLen]byte(b)}
	d.size += int64(len(b))
	return nil
}

func syncData(f *os.File, failed error) error {
	if failed != nil {
		return nil // it is already written
	}
	return f.Sync()
}

// replace replaces the file by a whole new one. [disk.stands] has allowed that.
func (d *disk) replace(b []byte) error {
	d.spoiled()
	f, err := owner.Create(d.root, tmpName)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, syncData(f, err))
	if err == nil {
		err = d.keepAside()
	}
	if err == nil {
		err = d.root.Rename(tmpName, fileName)
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	d.forget()
	if err := syncRoot(d.root); err != nil {
		d.was = f
		return err
	}
	d.file, d.size, d.least = f, int64(len(b)), int64(len(b))
	d.last = lastPass{headerLen, [passLen]byte(b[headerLen:])}
	return nil
}

// keepAside renames the existing file, once: it may hold the only information
// about what is missing.
func (d *disk) keepAside() error {
	if !d.aside {
		return nil
	}
	base := fileName + ".until-" + time.Now().UTC().Format("20060102T150405Z")
	kept := base
	for n := 2; ; n++ {
		if _, err := d.root.Lstat(kept); errors.Is(err, fs.ErrNotExist) {
			break
		}
		kept = fmt.Sprintf("%s-%d", base, n)
	}
	if err := d.root.Rename(fileName, kept); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	d.forget()
	d.aside = false
	return nil
}

// make creates the folder if there is none.
func (d *disk) make() error {
	if _, err := os.Stat(d.dir); err == nil {
		return nil
	}
	like := d.owner
	if _, err := os.Stat(like); err != nil {
		like = "" // it was removed, too
	}
	if err := owner.MkdirLike(d.dir, like); err != nil {
		return err
	}
	return syncDir(filepath.Dir(d.dir))
}

// spoiled ends appending to the file, which keeps its name for now.
func (d *disk) spoiled() {
	if d.file != nil {
		d.forget()
		d.was, d.file = d.file, nil
	}
}

// forget closes the file of that name if no new one was written.
func (d *disk) forget() {
	if d.was != nil {
		_ = d.was.Close() // nothing is written through it any more
		d.was = nil
	}
}

// leave closes the folder and everything in it. What was acknowledged is flushed.
func (d *disk) leave() error {
	d.spoiled()
	d.forget()
	var err error
	if d.held != nil {
		err = unlock(d.held)
	}
	if d.root != nil {
		err = errors.Join(err, d.root.Close())
	}
	d.held, d.root = nil, nil
	return err
}

func syncRoot(root *os.Root) error {
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// readBook reads the file of a folder. It returns nil if there is none.
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

// maxFile limits what is read into memory: a million streams take about 600 MB.
const maxFile = 2 << 30

// readPlain reads a plain file of a folder. It follows no link and waits for no
// pipe.
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
