//go:build unix

package vault

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"pets/domain"
)

// judge refuses a file or folder that anyone but its owner, which must be this
// user or root, has access to. The error says which command to run.
func judge(path string, info Info, want Kind, uid int) error {
	mode := map[Kind]string{Regular: "600", Folder: "700"}[want]
	switch {
	case info.Kind != want && want == Folder:
		return fmt.Errorf("%w: %s is not a folder", ErrExposed, path)
	case info.Kind != want:
		return fmt.Errorf("%w: %s is not a regular file; links are not followed: put the file itself there", ErrExposed, path)
	case info.Owner != uid && info.Owner != 0:
		return fmt.Errorf("%w: %s belongs to user %d: run chown %d %s", ErrExposed, path, info.Owner, uid, quote(path))
	case info.Mode&0o077 != 0:
		return fmt.Errorf("%w: %s has mode %03o: run chmod %s %s", ErrExposed, path, info.Mode, mode, quote(path))
	}
	return nil
}

// quote keeps a path one word when it is pasted into a shell.
func quote(path string) string {
	for _, r := range path {
		plain := r == '/' || r == '.' || r == '_' || r == '-' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
		if !plain {
			return fmt.Sprintf("%q", path)
		}
	}
	return path
}

// maxLinks limits a chain of links.
const maxLinks = 8

// CheckSecretFile refuses a file of secrets, such as an environment file, if
// group or others can read or write it, if it is not a regular file, if it
// belongs to another user, or if it is in a folder where others could replace it.
// A link is followed if it belongs to this user or root, and so is everything on
// the way. The error names the path and the command to run; the file is not read.
func CheckSecretFile(path string) error { return checkSecretFile(path, os.Geteuid()) }

func checkSecretFile(path string, uid int) error {
	for range maxLinks {
		info, err := os.Lstat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return &domain.Error{Code: domain.CodeNotFound, Message: path, Cause: fs.ErrNotExist}
		}
		if err != nil {
			return storage("look at "+path, err)
		}
		if err := judgeParent(path, uid); err != nil {
			return err
		}
		if info.Mode()&fs.ModeSymlink == 0 {
			return judge(path, infoOf(info), Regular, uid)
		}
		if owner := infoOf(info).Owner; owner != uid && owner != 0 {
			return fmt.Errorf("%w: the link %s belongs to user %d, who can point it elsewhere: name the file itself", ErrExposed, path, owner)
		}
		if path, err = follow(path); err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: %s is a chain of too many links", ErrExposed, path)
}

// follow takes one step along a link.
func follow(path string) (string, error) {
	target, err := os.Readlink(path)
	if err != nil {
		return "", storage("follow "+path, err)
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	return target, nil
}

// judgeParent refuses a folder in which others can replace a file. In a folder
// with the sticky bit, such as /tmp, they cannot.
func judgeParent(path string, uid int) error {
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil {
		return storage("look at "+dir, err)
	}
	i := infoOf(info)
	switch {
	case i.Owner != uid && i.Owner != 0:
		return fmt.Errorf("%w: the folder %s of %s belongs to user %d: run chown %d %s", ErrExposed, dir, path, i.Owner, uid, quote(dir))
	case i.Mode&0o022 != 0 && info.Mode()&fs.ModeSticky == 0:
		return fmt.Errorf("%w: others can replace files in the folder %s: run chmod go-w %s", ErrExposed, dir, quote(dir))
	}
	return nil
}

// CheckTrustedFile refuses a file whose content is believed, such as a list of keys, if
// others can write it or replace it. They may read it. The error names the path and the
// command to run; the file is not read.
func CheckTrustedFile(path string) error { return checkTrustedFile(path, os.Geteuid()) }

func checkTrustedFile(path string, uid int) error {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &domain.Error{Code: domain.CodeNotFound, Message: path + ": no such file", Cause: fs.ErrNotExist}
	}
	if err != nil {
		return storage("look at "+path, err)
	}
	if err := judgeParent(path, uid); err != nil {
		return err
	}
	of := infoOf(info)
	if of.Kind == Regular && of.Mode&0o022 != 0 {
		return fmt.Errorf("%w: others can write %s: run chmod go-w %s", ErrExposed, path, quote(path))
	}
	of.Mode &^= 0o077 // who may read it does not matter
	return judge(path, of, Regular, uid)
}
