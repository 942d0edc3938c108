package embedded

import "io"

// FS is the only interface between the store and the disk: all file operations of
// the store go through it, so that tests can simulate crashes, torn writes and
// failures.
//
// Errors wrap fs.ErrNotExist and fs.ErrExist where they apply.
type FS interface {
	// Mkdir creates one folder, whose parent exists. It need not survive a power
	// cut until SyncDir was called on the parent.
	Mkdir(dir string) error
	// OpenDir opens a folder.
	OpenDir(dir string) (Dir, error)
}

// Dir is an open folder. Its operations act on that very folder, even if it was
// moved or its path names another one. Names contain no separators.
type Dir interface {
	// ReadDir returns the names in the folder, sorted.
	ReadDir() ([]string, error)
	// Open opens a file in one of the modes.
	Open(name string, mode Mode) (File, error)
	// Rename renames a file in the folder, replacing any file of that name.
	Rename(from, to string) error
	// SyncDir flushes the names in the folder to disk.
	SyncDir() error
	// Lock opens a file and locks it until it is closed or the process ends, or
	// returns a *LockedError if another process holds the lock. With Read it is a
	// probe: it keeps writers out while it is held, and they wait for it. With
	// Write and Create it is exclusive. Create makes the file if it is missing,
	// keeps its content, and writes the pid of the process to it.
	Lock(name string, mode Mode) (File, error)
	// Stat looks up the current file of a name in the folder. "" is the folder's
	// own path, looked up from outside.
	Stat(name string) (Stat, error)
	// Self describes the open folder.
	Self() (Stat, error)
	// Free returns how many bytes this user may still write to the disk.
	Free() (uint64, error)
	Close() error
}

// Stat describes the file of a name. Two names or files with the same ID are one
// file.
type Stat struct {
	ID   FileID
	Size uint64
}

// FileID distinguishes the files and folders of a machine while they are open.
type FileID struct{ Device, Inode uint64 }

// Mode says how a file is opened.
type Mode int

// The modes of [Dir.Open] and [Dir.Lock].
const (
	Read   Mode = iota // must exist; never written
	Write              // must exist
	Create             // new and empty; an existing file is emptied
)

// File is an open file.
type File interface {
	io.ReaderAt
	io.WriterAt
	Stat() (Stat, error)
	Truncate(size uint64) error
	// Sync flushes all of the file to disk. It also works on a file opened to Read.
	Sync() error
	// Datasync flushes its data, and its size if that changed.
	Datasync() error
	Close() error
}

func sizeOf(f File) (uint64, error) {
	s, err := f.Stat()
	return s.Size, err
}
