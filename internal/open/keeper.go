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

// Keeper is the holder of a store, as its lock files name it: one in PETS_DIR and, if that is
// a different folder, one in the store's folder. A command that names the store so finds the
// server that has it open, and no other.
type Keeper struct {
	Holder
	Dir string // its PETS_DIR
	In  string // the folder of the lock that names it
}

// Strange returns why the server may be another user's, or nil if the lock is this user's own or
// root's. The owner of a folder decides which server it names, so a folder that the user did not
// name has to be the user's own before a key goes there.
func (k *Keeper) Strange() error { return k.strange }

// LockDirs returns the folders that may have a lock file of a store's holder.
func (a *Place) LockDirs(store string) []string {
	if dir := a.Config.ServerDir(); !SameFolder(dir, store) {
		return []string{dir, store}
	}
	return []string{store}
}

// KeeperOf returns the holder of the store in a folder; nil if no lock file names one. The
// error is about a lock file that is not trusted.
func (a *Place) KeeperOf(store string) (*Keeper, error) {
	var bad error
	for _, dir := range a.LockDirs(store) {
		h, held, err := believed(dir)
		switch {
		case err != nil:
			bad = err
		case held && holds(h, dir, store):
			return &Keeper{h, cmp.Or(h.Dir, dir), dir}, nil
		}
	}
	return nil, bad
}

// holds reports whether the holder of the lock in dir holds a store. A lock in the store's
// own folder counts even if it names the store differently, because the folder may have been
// moved; it does not count if a server of another store keeps its files there.
func holds(h Holder, dir, store string) bool {
	if h.Of(store) {
		return true
	}
	pid, writes := WriterOf(store)
	return SameFolder(dir, store) && writes && (pid == 0 || pid == h.PID)
}

// WriterOf reports whether a process writes to the store in a folder, and its pid; 0 means unknown.
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
	pid, _ = strconv.Atoi(strings.TrimSpace(string(b[:n]))) // 0, unknown, if it is not a number
	return pid, true
}

// EndIt says how to end the process that holds a store. It takes the pid from the kernel
// only: the pid in a lock file may be that of a different process if the server runs in its
// own namespace.
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
	return fmt.Sprintf("end the process that `sudo fuser -v %s` names; if it runs in a container, end the container", filepath.Join(store, "durable"))
}

// Barred returns an error if this user may not read a store's folder.
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

// Owns reports whether the lock in the folder that a keeper names as its PETS_DIR is its own,
// as seen from this process.
func (k *Keeper) Owns() bool {
	if k.Dir == "" {
		return true
	}
	h, held := HolderOf(k.Dir)
	return held && h.PID == k.PID && h.ID == k.ID
}
