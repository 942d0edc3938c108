package open

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"pets/domain"
)

// Keeper is who holds a store, and says so: in PETS_DIR, and, where that is another folder,
// in the folder of the store, too. Whoever names the store finds the server that has it
// open there, and no other.
type Keeper struct {
	Holder
	Dir string // its PETS_DIR
}

// LockDirs are the folders in which a holder of a store may say who it is.
func (a *Place) LockDirs(store string) []string {
	if dir := a.Config.ServerDir(); !SameFolder(dir, store) {
		return []string{dir, store}
	}
	return []string{store}
}

// KeeperOf finds who holds the store in a folder; nil for nobody who says so. The error is
// of a lock that cannot be believed.
func (a *Place) KeeperOf(store string) (*Keeper, error) {
	var bad error
	for _, dir := range a.LockDirs(store) {
		h, held, err := believed(dir)
		switch {
		case err != nil:
			bad = err
		case held && holds(h, dir, store):
			return &Keeper{h, cmp.Or(h.Dir, dir)}, nil
		}
	}
	return nil, bad
}

// holds reports whether whoever holds the lock in dir holds a store. Where the lock lies in
// the store's own folder it does by whatever name, for the folder may have been moved under
// it; but not where another store's server keeps its files there.
func holds(h Holder, dir, store string) bool {
	if h.Of(store) {
		return true
	}
	pid, writes := WriterOf(store)
	return SameFolder(dir, store) && writes && (pid == 0 || pid == h.PID)
}

// WriterOf says who writes to the store in a folder, if anybody does; 0 is unknown.
func WriterOf(store string) (pid int, writes bool) {
	if writes, _ = IsLocked(store); !writes {
		return 0, false
	}
	f, err := openPlain(store, "LOCK", os.O_RDONLY)
	if err != nil {
		return 0, true
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if !heldByOther(f) {
		return 0, true
	}
	b := make([]byte, 20)
	n, _ := f.ReadAt(b, 0)
	pid, _ = strconv.Atoi(strings.TrimSpace(string(b[:n]))) // what is no number is unknown
	return pid, true
}

// EndIt says how to end the process that holds a store. Only the kernel is believed about
// its number: what a lock says is that of another process where the server runs in a
// namespace of its own.
func EndIt(store string) string {
	for _, name := range []string{"LOCK", "durable"} {
		f, err := openPlain(store, name, os.O_RDONLY)
		if err != nil {
			continue
		}
		pid := flockPID(f)
		_ = f.Close() // nothing was written
		if pid != 0 {
			return fmt.Sprintf("end it (kill -9 %d)", pid)
		}
	}
	return fmt.Sprintf("end the process that `sudo fuser -v %s` names; where it runs in a container, end that", filepath.Join(store, "durable"))
}

// Barred is why a store's folder cannot be looked into by this user, nil where it can.
func Barred(store string) error {
	for _, name := range []string{"LOCK", "durable", LockName} {
		f, err := openPlain(store, name, os.O_RDONLY)
		switch {
		case err == nil:
			_ = f.Close() // nothing was written
		case errors.Is(err, fs.ErrPermission):
			return domain.Errorf(domain.CodeDenied, "%s cannot be looked into by this user: run this as the owner of the folder or as root (sudo), or name the server with --server", store)
		}
	}
	return nil
}

// Owns reports whether the folder that a holder names as its PETS_DIR is its own, also seen
// from here.
func (k *Keeper) Owns() bool {
	if k.Dir == "" {
		return true
	}
	h, held := HolderOf(k.Dir)
	return held && h.PID == k.PID && h.ID == k.ID
}
