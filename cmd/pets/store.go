package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"pets/commands"
	"pets/domain"
	"pets/eventstore/embedded"
)

// snapshotDir is the folder of disposable caches inside a store's folder.
const snapshotDir = "snapshots"

// openReader opens the store's folder for reading, beside a running writer.
func (a *app) openReader() (*embedded.Store, error) {
	dir, err := a.config.StoreDir()
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, domain.Errorf(domain.CodeNotFound, "there is no store at %s; import something first, or name it with --store embedded:DIR", dir)
	}
	return embedded.OpenReadOnly(dir, embedded.Options{})
}

// openWriter opens it for writing, creating it where there is none.
func (a *app) openWriter() (*embedded.Store, error) {
	dir, err := a.config.StoreDir()
	if err != nil {
		return nil, err
	}
	store, err := embedded.Open(dir, embedded.Options{})
	if err != nil {
		return nil, err
	}
	if torn := store.Torn(); torn.Bytes > 0 {
		_, _ = fmt.Fprintf(a.err, "pets: warning: an append that a crash cut short was set aside in %s (%d bytes); it had never been acknowledged\n", torn.File, torn.Bytes)
	}
	return store, nil
}

func (a *app) stream() string { return commands.Stream(a.config.Portfolio) }
