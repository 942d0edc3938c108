package embedded

import "io"

// FS is the one seam between the store and the disk: everything the store does
// to a folder goes through it, so that tests can crash, tear and fail it.
//
// Errors wrap fs.ErrNotExist and fs.ErrExist where they mean that.
type FS interface {
	// Mkdir makes one folder, whose parent exists. It need not survive a power
	// cut before the parent was given to SyncDir.
	Mkdir(dir string) error
	// ReadDir returns the names in a folder, sorted.
	ReadDir(dir string) ([]string, error)
	// Open opens a file in one of the modes.
	Open(path string, mode Mode) (File, error)
	// Rename gives a file another name in the same folder, replacing what had it.
	Rename(from, to string) error
	// SyncDir flushes the names in a folder to disk.
	SyncDir(dir string) error
	// Lock locks a file until the returned closer is closed or the process ends,
	// or answers at once with a *LockedError if a writer holds it. Writers
	// exclude everybody, and a probe keeps writers out while it lasts. Only a
	// writer creates the file.
	Lock(path string, writer bool) (io.Closer, error)
}

// Mode says how a file is opened.
type Mode int

// The modes of [FS.Open].
const (
	Read   Mode = iota // must exist; never written
	Write              // must exist
	Create             // new and empty; what had the name is emptied
)

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	Size() (uint64, error)
	Truncate(size uint64) error
	// Sync flushes all of the file to disk. It also works on a file opened to Read.
	Sync() error
	// Datasync flushes its data, and its size if that changed.
	Datasync() error
	Close() error
}
