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
	// OpenDir opens a folder.
	OpenDir(dir string) (Dir, error)
}

// Dir is an open folder. What is done through it is done in that very folder,
// wherever it was moved to and whatever its path names by now. Names have no
// separators in them.
type Dir interface {
	// ReadDir returns the names in the folder, sorted.
	ReadDir() ([]string, error)
	// Open opens a file in one of the modes.
	Open(name string, mode Mode) (File, error)
	// Rename gives a file another name in the folder, replacing what had it.
	Rename(from, to string) error
	// SyncDir flushes the names in the folder to disk.
	SyncDir() error
	// Lock opens a file and locks it until it is closed or the process ends, or
	// answers with a *LockedError if somebody else has it. To Read is a probe: it
	// keeps writers out while it lasts, and they wait for it. To Write and to
	// Create exclude everybody; Create makes the file if it is missing, keeps what
	// is in it, and writes the pid of the process there.
	Lock(name string, mode Mode) (File, error)
	// Stat looks up what a name in the folder names now. "" is the folder's own
	// path, looked up from outside.
	Stat(name string) (Stat, error)
	// Self is the folder that is open.
	Self() (Stat, error)
	// Free returns how many bytes of the disk this user may still write.
	Free() (uint64, error)
	Close() error
}

// Stat is what a name stands for. Two names or files with the same ID are one.
type Stat struct {
	ID   FileID
	Size uint64
}

// FileID tells files and folders of a machine apart while they are open.
type FileID struct{ Device, Inode uint64 }

// Mode says how a file is opened.
type Mode int

// The modes of [Dir.Open] and [Dir.Lock].
const (
	Read   Mode = iota // must exist; never written
	Write              // must exist
	Create             // new and empty; what had the name is emptied
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
