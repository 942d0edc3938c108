package vault

import (
	"io"
	"time"
)

// FS is the only interface between the keystore and the disk, so that tests can
// fail, kill and truncate every operation.
//
// Errors wrap fs.ErrNotExist and fs.ErrExist where they apply.
type FS interface {
	// Mkdir creates one folder that only its owner can enter. Its parent exists.
	Mkdir(dir string) error
	// ReadDir returns the names in a folder, sorted.
	ReadDir(dir string) ([]string, error)
	// Stat describes the file of a name, without following a link.
	Stat(path string) (Info, error)
	// Read reads at most limit bytes of a file and describes it with Info. Both
	// come from the same open file, and a link is not followed.
	Read(path string, limit int) ([]byte, Info, error)
	// Create creates a new file that only its owner can read. It fails if the
	// name is taken.
	Create(path string) (File, error)
	// Rename atomically renames a file in its folder, replacing any file of that
	// name.
	Rename(from, to string) error
	// RenameNew is Rename, but fails if the name is taken.
	RenameNew(from, to string) error
	// Remove removes a file.
	Remove(path string) error
	// SyncDir flushes the names in a folder to disk.
	SyncDir(dir string) error
	// Lock keeps out other writers, of this and other processes, until it is
	// closed or the process ends. It waits a moment, then returns ErrBusy.
	Lock(path string) (io.Closer, error)
}

// File is a new file being written.
type File interface {
	io.Writer
	// Sync flushes what was written to disk.
	Sync() error
	Close() error
}

// Info holds what permissions are checked by.
type Info struct {
	Kind     Kind
	Mode     uint32 // the permission bits
	Owner    int    // user id
	Modified time.Time
}

// Kind is the type of a file.
type Kind int

// The kinds.
const (
	Other Kind = iota // a link, socket, device, …
	Regular
	Folder
)
