package vault

import (
	"io"
	"time"
)

// FS is the one seam between the keystore and the disk, so that tests can fail,
// kill and cut it at every operation.
//
// Errors wrap fs.ErrNotExist and fs.ErrExist where they mean that.
type FS interface {
	// Mkdir makes one folder that only its owner can enter. Its parent exists.
	Mkdir(dir string) error
	// ReadDir returns the names in a folder, sorted.
	ReadDir(dir string) ([]string, error)
	// Stat says what a name stands for, without following a link.
	Stat(path string) (Info, error)
	// Read reads at most limit bytes of a file that Info is about: both are of
	// one open file, and a link is not followed.
	Read(path string, limit int) ([]byte, Info, error)
	// Create makes a new file that only its owner can read. It fails where the
	// name is taken.
	Create(path string) (File, error)
	// Rename gives a file another name in its folder, at once or not at all,
	// replacing what had it.
	Rename(from, to string) error
	// RenameNew is Rename that fails where the name is taken.
	RenameNew(from, to string) error
	// Remove removes a file.
	Remove(path string) error
	// SyncDir flushes the names in a folder to disk.
	SyncDir(dir string) error
	// Lock keeps out other writers, of this and other processes, until it is
	// closed or the process ends. It waits a moment, then answers ErrBusy.
	Lock(path string) (io.Closer, error)
}

// File is a new file being written.
type File interface {
	io.Writer
	// Sync flushes what was written to disk.
	Sync() error
	Close() error
}

// Info is what permissions are judged by.
type Info struct {
	Kind     Kind
	Mode     uint32 // the permission bits
	Owner    int    // user id
	Modified time.Time
}

// Kind is what a name stands for.
type Kind int

// The kinds.
const (
	Other Kind = iota // a link, socket, device, …
	Regular
	Folder
)
