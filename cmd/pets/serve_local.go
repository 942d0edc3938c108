package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"pets/internal/httpapi"
	"pets/internal/owner"
)

// markStore says in the store's folder who holds it, where PETS_DIR is another one. Without
// that, whoever names the store needs PETS_DIR as well.
func (s *server) markStore() {
	if !s.ownDir {
		return
	}
	var err error
	if s.mark, err = s.lock.markStore(); err != nil {
		s.log.Error("the folder of the store does not say which server holds it: pets stop --store finds this one only with the same PETS_DIR", "error", err.Error())
	}
}

// answersAt says where this server is to be found.
func (s *server) answersAt(address string) error {
	err := s.lock.answersAt(address)
	if err == nil && s.mark != nil {
		err = s.mark.answersAt(address)
	}
	return err
}

// openSocket makes the stop socket. The server answers without it all the same:
// there are keys.
func (s *server) openSocket() {
	dir := s.app.config.ServerDir()
	err := owner.MkdirAll(dir)
	if err == nil {
		s.socket, err = httpapi.ListenSocket(dir)
	}
	if err != nil {
		s.log.Error("there is no stop socket: on this machine, too, a stop needs an API key", "error", err.Error())
		s.noLocalStop.Store(&err)
	}
}

// answerSocket answers at the stop socket until the context ends, or there is another one.
func (s *server) answerSocket(ctx context.Context) {
	ctx, end := context.WithCancel(ctx)
	s.endSocket = end
	socket := s.socket
	s.work.Go(func() {
		if err := socket.Serve(ctx, s.api, s.log); err != nil && ctx.Err() == nil {
			s.log.Error("the stop socket is not answered any more", "error", err.Error())
		}
	})
}

// watchLocal makes the way in of this machine anew where somebody removed it, and says so
// where that cannot be.
func (s *server) watchLocal(ctx context.Context) {
	err := errors.Join(s.keepLocal(ctx), s.keepMark())
	last := s.noLocalStop.Load()
	switch {
	case err == nil && last != nil:
		s.noLocalStop.Store(nil)
		s.log.Info("the stop socket is there again")
	case err != nil:
		if last == nil {
			s.log.Error("the stop socket or the lock in PETS_DIR is gone and cannot be made anew: on this machine, too, a stop needs an API key", "error", err.Error())
		}
		s.noLocalStop.Store(&err)
	}
}

// keepLocal makes lock and socket anew if their names are gone, in this order: without the
// lock the folder may be another server's.
func (s *server) keepLocal(ctx context.Context) error {
	dir := s.app.config.ServerDir()
	anew, err := s.lock.keep(s.ownDir, s.trust)
	if err != nil {
		return err
	}
	if anew {
		s.log.Warn("the lock in PETS_DIR was removed while this server holds it; it was made anew", "folder", dir)
	}
	if s.socket != nil && s.socket.Stands() {
		return nil
	}
	socket, err := httpapi.ListenSocket(dir)
	if err != nil {
		return err
	}
	if s.endSocket != nil {
		s.endSocket()
	}
	s.log.Warn("the stop socket was missing; it was made anew", "folder", dir)
	s.socket = socket
	s.answerSocket(ctx)
	return nil
}

// keepMark makes the mark in the store's folder anew if its name is gone.
func (s *server) keepMark() error {
	if s.mark == nil {
		return nil
	}
	_, err := s.mark.keep(false, s.trust)
	return err
}

// keep makes the lock file anew if its name is gone; the folder, too, where that may be
// and it was removed. What stands in its place is left alone.
func (l *serverLock) keep(makes bool, trust owner.Trust) (anew bool, err error) {
	there, err := os.Stat(filepath.Join(l.dir, lockName))
	switch {
	case err == nil:
		if ours, err := l.f.Stat(); err == nil && os.SameFile(there, ours) {
			return false, nil
		}
		return false, fmt.Errorf("another file stands in the place of %s", filepath.Join(l.dir, lockName))
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

// enter opens the folder again, which has to be the one that was locked, or to have taken
// the place of one that was removed, and to be of those who are believed.
func (l *serverLock) enter(makes bool, trust owner.Trust) (*os.Root, error) {
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
		return trust.OpenRoot(l.dir, latchName)
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
	f, err := folder.OpenFile(lockName, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
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
