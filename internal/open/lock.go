package open

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sys/unix"

	"pets/internal/owner"
	"pets/internal/proof"
)

// LockName is the file that the process using PETS_DIR keeps locked. It names that process;
// its content counts only while the file is locked.
const LockName = "server.lock"

// Holder describes the process that holds a folder.
type Holder struct {
	PID int `json:"pid"`
	// URL is the address of the server; "" for a command that writes to the folder.
	URL string `json:"url,omitempty"`
	// Store is the folder of its store, ID the store's identity.
	Store string    `json:"store"`
	ID    uuid.UUID `json:"id,omitzero"`
	// Database is set where the store is in a database, and Store is PETS_DIR.
	Database bool `json:"database,omitempty"`
	// Proof is the secret by which a server found here proves its identity.
	Proof string `json:"proof,omitempty"`
	// Dir is its PETS_DIR, set in the lock file of a store's folder that is not PETS_DIR.
	Dir string `json:"dir,omitempty"`

	strange error // see Keeper.Strange
}

// Of reports whether the holder's store is the one in a folder.
func (h Holder) Of(dir string) bool {
	theirs, err1 := os.Stat(h.Store)
	ours, err2 := os.Stat(dir)
	return err1 == nil && err2 == nil && os.SameFile(theirs, ours)
}

// dirLockedError means that another process uses PETS_DIR, for another store.
type dirLockedError struct {
	dir string
	by  Holder
}

func (e *dirLockedError) Error() string {
	return fmt.Sprintf("%s (PETS_DIR): locked by pid %d, for the store at %s", e.dir, e.by.PID, e.by.Store)
}

// otherDatabaseError means that PETS_DIR was used for another database.
type otherDatabaseError struct{ dir string }

func (e *otherDatabaseError) Error() string {
	return fmt.Sprintf("%s (PETS_DIR) was used for the store of another database: stops that wait there are of that one. Set PETS_DIR to a folder of its own", e.dir)
}

// Lock holds PETS_DIR for one process.
type Lock struct {
	dir    string
	folder *os.Root
	f      *os.File
	By     Holder
}

// otherStoreError means that PETS_DIR was used for another store, which still exists.
type otherStoreError struct{ dir, theirs, store string }

func (e *otherStoreError) Error() string {
	return fmt.Sprintf("%s (PETS_DIR) belongs to the store at %s, and this is %s: set PETS_DIR to a folder of its own", e.dir, e.theirs, e.store)
}

// LockDir locks PETS_DIR and creates it if it is missing. The lock of the store is always
// taken first.
func LockDir(dir, store string, id uuid.UUID) (*Lock, error) {
	if err := owner.MkdirAll(dir); err != nil {
		return nil, unusable("make", dir, err)
	}
	f, err := openLock(dir)
	if err != nil {
		return nil, unusable("lock", dir, err)
	}
	if err := flockAlone(f); err != nil {
		by, stranger := readHolder(f), distrusted(dir, f)
		_ = f.Close() // nothing was written through it
		if errors.Is(err, unix.EWOULDBLOCK) && stranger != nil {
			return nil, stranger
		}
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &dirLockedError{dir, by}
		}
		return nil, unusable("lock", dir, err)
	}
	last := readHolder(f)
	if err := belongs(dir, last, store, id); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if id == uuid.Nil && last.Of(store) { // the store no longer knows its id
		id = last.ID
	}
	absolute, err := filepath.Abs(store)
	if err != nil {
		absolute = store
	}
	folder, err := owner.OpenRoot(dir)
	if err != nil {
		return nil, errors.Join(unusable("lock", dir, err), f.Close())
	}
	l := &Lock{dir: dir, folder: folder, f: f, By: Holder{PID: os.Getpid(), Store: absolute, ID: id, Database: last.Database && last.ID == id, Proof: proof.New()}}
	if err := errors.Join(l.write(), owner.Keep(f)); err != nil { // first remove what the former holder wrote, then give the file its owner
		return nil, errors.Join(unusable("lock", dir, err), l.Close())
	}
	return l, nil
}

// unusable says why PETS_DIR cannot be made or locked, and what to do.
func unusable(what, dir string, err error) error {
	const other = "or set PETS_DIR to a folder that the user of pets can write to"
	do := ""
	switch {
	case errors.Is(err, fs.ErrPermission): // also of a folder that is marked immutable
		do = "give the folder to the user of pets, " + other
	case errors.Is(err, unix.EROFS):
		do = "mount its disk for writing, " + other
	case errors.Is(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		do = "free some space on its disk, " + other
	case errors.As(err, new(*owner.NotPlainError)), errors.As(err, new(*owner.UntrustedError)):
		return fmt.Errorf("%s PETS_DIR: %w", what, err) // they say what to do
	default:
		do = "see to it that the folder can be written to, " + other
	}
	return fmt.Errorf("%s PETS_DIR (%s): %w; %s", what, dir, err, do)
}

// belongs refuses a PETS_DIR that was used for another store which still exists: the stops
// waiting there are those of the other store and must not be recorded in this one. A lock in
// the store's own folder came with the store, even if the store is a copy, and a copy counts
// as the same store.
func belongs(dir string, last Holder, store string, id uuid.UUID) error {
	if last.Database && last.ID != id && id != uuid.Nil {
		return &otherDatabaseError{dir}
	}
	if last.Store == "" || last.Of(store) || last.ID == id && id != uuid.Nil || SameFolder(dir, store) || !HasStore(last.Store) {
		return nil
	}
	return &otherStoreError{dir, last.Store, store}
}

// flockAlone takes the lock without waiting for another holder. It does wait for readers,
// which hold a shared lock for a moment.
func flockAlone(f *os.File) error {
	const patience, pause = 5 * time.Second, 2 * time.Millisecond
	fd := int(f.Fd())
	for waited := time.Duration(0); ; waited += pause {
		err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || waited >= patience {
			return err
		}
		if err := unix.Flock(fd, unix.LOCK_SH|unix.LOCK_NB); err != nil {
			return err
		}
		if err := unix.Flock(fd, unix.LOCK_UN); err != nil {
			return err
		}
		time.Sleep(pause)
	}
}

// unlock gives the lock back and closes the file. Closing alone would leave the lock to a
// process that is being started at that moment: it has the file open until it becomes the
// other program.
func unlock(f *os.File) error {
	return errors.Join(unix.Flock(int(f.Fd()), unix.LOCK_UN), f.Close())
}

// MarkStore writes a lock file into the folder of the store that this process holds, with its
// PETS_DIR, so that a command that names only the store finds its server.
func (l *Lock) MarkStore() (*Lock, error) {
	store := l.By.Store
	f, err := openLock(store)
	if err != nil {
		return nil, err
	}
	if err := flockAlone(f); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: locked by pid %d: %w", f.Name(), readHolder(f).PID, err), f.Close())
	}
	folder, err := owner.OpenRoot(store)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	m := &Lock{dir: store, folder: folder, f: f, By: l.By}
	if m.By.Dir, err = filepath.Abs(l.dir); err == nil {
		err = errors.Join(m.write(), owner.Keep(f))
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// AnswersAt records the address at which this machine reaches the server.
func (l *Lock) AnswersAt(address string) error {
	l.By.URL = fromHere(address)
	return l.write()
}

// fromHere replaces an unspecified address, such as 0.0.0.0, by one of this machine.
func fromHere(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("127.0.0.1", u.Port())
	}
	return u.String()
}

func (l *Lock) write() error {
	b, err := json.Marshal(l.By)
	if err != nil {
		return err
	}
	if err := l.f.Truncate(0); err != nil {
		return err
	}
	_, err = l.f.WriteAt(append(b, '\n'), 0)
	return err
}

// Close releases the folder.
func (l *Lock) Close() error {
	if l == nil { // a stop may run without a lock
		return nil
	}
	return errors.Join(unlock(l.f), l.folder.Close())
}

// HolderOf returns the trusted holder of a folder, if there is one.
func HolderOf(dir string) (Holder, bool) {
	h, held, err := believed(dir)
	return h, held && err == nil
}

// readHolder returns the content of a lock file, as far as it can be read.
func readHolder(f *os.File) Holder {
	var h Holder
	b := make([]byte, 16<<10)
	n, _ := f.ReadAt(b, 0)
	_ = json.Unmarshal(b[:n], &h) // an unreadable holder stays unknown
	return h
}

// heldByOther reports whether another process has a file locked for writing.
func heldByOther(f *os.File) bool {
	err := unix.Flock(int(f.Fd()), unix.LOCK_SH|unix.LOCK_NB)
	if err == nil {
		_ = unix.Flock(int(f.Fd()), unix.LOCK_UN) // closing it does the same
	}
	return errors.Is(err, unix.EWOULDBLOCK)
}

// IsLocked reports whether a process writes to the store in a folder: a writer holds a lock on
// one of these files. stranger is not nil if others could have placed the locked file.
func IsLocked(dir string) (is bool, stranger error) {
	for _, name := range []string{"LOCK", "durable"} {
		f, err := openPlain(dir, name, os.O_RDONLY)
		if err != nil {
			continue
		}
		is, stranger := heldByOther(f), distrusted(dir, f)
		_ = f.Close() // nothing was written
		if is {
			return true, stranger
		}
	}
	return false, nil
}

// Keep recreates the lock file if it was removed, and also a removed folder if makes is set.
// It does not touch another file in its place.
func (l *Lock) Keep(makes bool, trust owner.Trust) (anew bool, err error) {
	there, err := os.Stat(filepath.Join(l.dir, LockName))
	switch {
	case err == nil:
		if ours, err := l.f.Stat(); err == nil && os.SameFile(there, ours) {
			return false, nil
		}
		return false, fmt.Errorf("another file stands in the place of %s", filepath.Join(l.dir, LockName))
	case !errors.Is(err, fs.ErrNotExist):
		return false, err
	}
	folder, err := l.enter(makes, trust)
	if err != nil {
		return false, err
	}
	f, err := takeLock(folder)
	if err != nil {
		return false, errors.Join(fmt.Errorf("lock PETS_DIR anew: %w", err), folder.Close())
	}
	old := *l
	l.folder, l.f = folder, f
	return true, errors.Join(l.write(), old.Close())
}

// enter opens the folder again. It has to be the folder that was locked or, if that was
// removed, a new one that is trusted.
func (l *Lock) enter(makes bool, trust owner.Trust) (*os.Root, error) {
	ours, err := l.folder.Open(".")
	if err != nil {
		return nil, err
	}
	defer ours.Close() //nolint:errcheck // nothing was written
	var stat unix.Stat_t
	if err := unix.Fstat(int(ours.Fd()), &stat); err != nil {
		return nil, err
	}
	removed := stat.Nlink == 0
	if removed && makes {
		if err := owner.MkdirAll(l.dir); err != nil {
			return nil, err
		}
		return trust.OpenRoot(l.dir, LatchName)
	}
	there, err := os.Stat(l.dir)
	if err != nil {
		return nil, err
	}
	if is, err := ours.Stat(); err != nil || !os.SameFile(is, there) {
		return nil, errors.Join(fmt.Errorf("another folder stands in the place of %s", l.dir), err)
	}
	return os.OpenRoot(l.dir)
}

// takeLock makes the lock file in a folder that has none, and locks it.
func takeLock(folder *os.Root) (*os.File, error) {
	f, err := folder.OpenFile(LockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	dir, err := folder.Open(".")
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	defer dir.Close() //nolint:errcheck // nothing was written
	if err := errors.Join(flockAlone(f), owner.Like(f, dir)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
