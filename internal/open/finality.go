package open

import (
	"errors"
	"io/fs"
	"os"

	"pets/internal/owner"
)

// promises remembers which endpoints have named a finalized block, as one small file each in
// the folder of the keystore, and in PETS_DIR: a server without keys has no keystore, and one
// with keys may not be able to write to it. A restart must not forget it: an endpoint that
// refuses the tag then would be taken for one that never knew it.
type promises struct {
	dirs []string
	warn func(text string)
}

// promiseName is the file of a promise.
func promiseName(name string) string { return "finality-" + name }

// Made implements chain.Promises. A file that cannot be looked for counts as one that is
// there: nothing is final then until the endpoint names a finalized block.
func (p promises) Made(name string) bool {
	for _, dir := range p.dirs {
		if _, err := os.Lstat(dir + string(os.PathSeparator) + promiseName(name)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// Keep implements chain.Promises.
func (p promises) Keep(name string) {
	var failed []error
	for _, dir := range p.dirs {
		if err := keepPromise(dir, promiseName(name)); err != nil {
			failed = append(failed, err)
		}
	}
	if len(failed) == len(p.dirs) {
		p.warn("it cannot be remembered that an endpoint of the chain names finalized blocks, so a later start may count blocks only: " + errors.Join(failed...).Error())
	}
}

func keepPromise(dir, name string) (err error) {
	root, err := owner.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, root.Close()) }()
	if err := owner.Replace(root, name, []byte("An endpoint of the chain has named a finalized block. See docs/semantics/custody.md, Final.\n")); err != nil {
		return err
	}
	f, err := root.Open(".")
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
