package owner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// maxLinks is how many links the kernel follows on one path.
const maxLinks = 40

// walker follows a path by handles, so that each folder it has checked is the one
// it passes through.
type walker struct {
	at     int // the folder reached so far
	rest   []string
	links  int
	owners []uint32 // owners of the links, except root
}

// way opens a folder for examination and returns the owners of the links that led
// to it, except root.
func way(dir string) (*os.File, []uint32, error) {
	w, err := descend(dir)
	if err != nil {
		return nil, nil, err
	}
	return os.NewFile(uintptr(w.at), dir), w.owners, nil
}

// walk opens a folder for examination. Only root has to distrust links.
func walk(dir string) (*os.File, error) {
	if os.Geteuid() != 0 {
		return os.Open(dir)
	}
	w, err := descend(dir)
	if err != nil {
		return nil, err
	}
	if err := w.allowed(); err != nil {
		_ = unix.Close(w.at) // it was opened for examination only
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return os.NewFile(uintptr(w.at), dir), nil
}

func descend(dir string) (*walker, error) {
	path := dir
	if !filepath.IsAbs(path) {
		here, err := os.Getwd()
		if err != nil {
			return nil, err
		}
		path = here + "/" + path
	}
	w := &walker{at: -1, rest: strings.Split(path, "/")}
	err := w.restart()
	for err == nil && len(w.rest) > 0 {
		name := w.rest[0]
		w.rest = w.rest[1:]
		if name != "" && name != "." {
			err = w.step(name)
		}
	}
	if err != nil {
		_ = unix.Close(w.at) // it was opened for examination only
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return w, nil
}

// to continues from an open folder.
func (w *walker) to(fd int) {
	if w.at >= 0 {
		_ = unix.Close(w.at) // it was opened for examination only
	}
	w.at = fd
}

func (w *walker) restart() error {
	fd, err := unix.Open("/", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil {
		w.to(fd)
	}
	return err
}

func (w *walker) step(name string) error {
	fd, err := unix.Openat(w.at, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	var s unix.Stat_t
	if err := unix.Fstat(fd, &s); err != nil {
		return errors.Join(err, unix.Close(fd))
	}
	switch s.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		w.to(fd)
		return nil
	case unix.S_IFLNK:
		return errors.Join(w.follow(fd, s.Uid), unix.Close(fd))
	}
	return errors.Join(unix.ENOTDIR, unix.Close(fd))
}

func (w *walker) follow(link int, uid uint32) error {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(link, "", b)
	if err != nil {
		return err
	}
	if w.links++; w.links > maxLinks {
		return unix.ELOOP
	}
	if uid != 0 {
		w.owners = append(w.owners, uid)
	}
	target := string(b[:n])
	w.rest = append(strings.Split(target, "/"), w.rest...)
	if filepath.IsAbs(target) {
		return w.restart()
	}
	return nil
}

// allowed refuses a folder that another user's link led to and that does not
// belong to that user.
func (w *walker) allowed() error {
	var s unix.Stat_t
	if err := unix.Fstat(w.at, &s); err != nil {
		return err
	}
	for _, uid := range w.owners {
		if uid != s.Uid {
			return &foreignLinkError{by: uid, to: s.Uid}
		}
	}
	return nil
}
