package config

import (
	"errors"
	"io/fs"
	"path/filepath"
	"strings"

	"pets/domain"
)

// WitnessDir returns the folder of the witness: beside [Config.ServerDir] and
// never in it, so that putting back an old copy of that folder does not put back
// the witness.
func (c Config) WitnessDir() string {
	if c.Witness != "" {
		return absolute(c.Witness)
	}
	beside := absolute(c.ServerDir())
	if store, err := c.StoreDir(); err == nil && within(real(beside), real(store)) {
		beside = absolute(store) // PETS_DIR is in it, and would be put back with it
	}
	return beside + "-witness"
}

// absolute returns a path with a name that can be extended, unlike ".". A
// symbolic link keeps its own name, so that a link that is switched to a copy
// keeps its witness.
func absolute(dir string) string {
	full, err := filepath.Abs(dir)
	if err != nil {
		return filepath.Clean(dir) // there is no working folder, so the next step fails
	}
	if base := filepath.Base(filepath.Clean(dir)); base == "." || base == ".." {
		return real(full) // the name by which the shell came here is unrelated to the store
	}
	return full
}

// real resolves symbolic links in a path, as far as it exists.
func real(dir string) string {
	full, err := filepath.Abs(dir)
	if err != nil {
		return filepath.Clean(dir)
	}
	found, err := filepath.EvalSymlinks(full)
	switch above := filepath.Dir(full); {
	case err == nil:
		return found
	case errors.Is(err, fs.ErrNotExist) && above != full:
		return filepath.Join(real(above), filepath.Base(full))
	}
	return full
}

// within reports whether a path is another one, or in it.
func within(path, dir string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator))
}

// ValidateFolders refuses a witness in a folder that would be put back together
// with the store.
func (c Config) ValidateFolders() error {
	if strings.ContainsFunc(c.Dir, control) {
		return domain.Invalid("PETS_DIR", "must be %s", lookup("Dir").rule)
	}
	if strings.ContainsFunc(c.Witness, control) {
		return domain.Invalid("PETS_WITNESS", "must be %s", lookup("Witness").rule)
	}
	witness, folders := real(c.WitnessDir()), []string{c.ServerDir()}
	if store, err := c.StoreDir(); err == nil {
		folders = append(folders, store)
	}
	for _, dir := range folders {
		switch {
		case !within(witness, real(dir)):
		case c.Witness == "":
			return domain.Invalid("PETS_WITNESS", "is not set, and its default would be in PETS_DIR or in the folder of the store: set it to a folder elsewhere")
		default:
			return domain.Invalid("PETS_WITNESS", "must be %s", lookup("Witness").rule)
		}
	}
	return nil
}
