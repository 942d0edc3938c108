package open

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"pets/internal/owner"
)

// promises remembers which endpoints have named a finalized block, as one small file each in
// a folder in that of the keystore, and in PETS_DIR: a server without keys has no keystore, and one
// with keys may not be able to write to it. A restart must not forget it: an endpoint that
// refuses the tag then would be taken for one that never knew it.
type promises struct {
	dirs []string
	warn func(text string)
}

// promisesDir is the folder of the files.
const promisesDir = "finality"

// Made implements chain.Promises. Where no folder can be looked into, all endpoints count as
// those that name finalized blocks: nothing is final then until they name one.
func (p promises) Made(name string) bool {
	unseen := 0
	for _, dir := range p.dirs {
		switch _, err := os.Lstat(filepath.Join(dir, promisesDir, name)); {
		case err == nil:
			return true
		case !errors.Is(err, fs.ErrNotExist):
			unseen++
		}
	}
	return unseen == len(p.dirs)
}

// Keep implements chain.Promises.
func (p promises) Keep(name string) {
	var failed []error
	for _, dir := range p.dirs {
		if err := keepPromise(dir, name); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == len(p.dirs) {
		p.warn("it cannot be remembered that an endpoint of the chain names finalized blocks, so a later start may count blocks only: " + errors.Join(failed...).Error())
	}
}

func keepPromise(dir, name string) (err error) {
	above, err := owner.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, above.Close()) }()
	root, err := owner.Mkdir(above, promisesDir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := owner.Replace(root, name, []byte("An endpoint of the chain has named a finalized block. See docs/semantics/custody.md, Final.\n")); err != nil {
		return err
	}
	for _, folder := range []*os.Root{root, above} {
		f, err := folder.Open(".")
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return err
		}
	}
	return nil
}
