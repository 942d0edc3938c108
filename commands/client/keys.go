package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/google/uuid"

	"pets/domain"
)

// maxReference is the longest reference in bytes, maxReferences how many are kept.
// Callers should forget those of finished commands.
const (
	maxReference  = 200
	maxReferences = 1_000_000
)

// keyFile keeps the Idempotency-Key of every reference, as one JSON object a line; the
// last line of a reference counts. A key is flushed to disk before it is first sent.
// Otherwise, after a crash, a retry would have a new key and become a second command.
type keyFile struct {
	path string

	mu   sync.Mutex
	file *os.File // nil: in memory only
	keys map[string]string
	dead int // superseded lines
	// failed is the error of the first failed write. The content of the file is unknown
	// from then on, so nothing more is written.
	failed error
}

type keyLine struct {
	Reference string `json:"reference"`
	Key       string `json:"key,omitempty"` // empty: the reference was forgotten
}

func openKeyFile(path string) (*keyFile, error) {
	k := &keyFile{path: path, keys: map[string]string{}}
	if path == "" {
		return k, nil
	}
	if err := k.load(); err != nil {
		return nil, fmt.Errorf("read the idempotency keys: %w", err)
	}
	if err := k.rewrite(); err != nil {
		return nil, fmt.Errorf("write the idempotency keys: %w", err)
	}
	return k, nil
}

// load reads the file. A crash may have cut its last line short; that key was never sent.
func (k *keyFile) load() error {
	raw, err := os.ReadFile(k.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for n := 1; lines.Scan(); n++ {
		var l keyLine
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil || l.Reference == "" {
			if lines.Scan() || raw[len(raw)-1] == '\n' {
				return fmt.Errorf("%s:%d: is not a line of this file", k.path, n)
			}
			return nil
		}
		if l.Key == "" {
			delete(k.keys, l.Reference)
			continue
		}
		k.keys[l.Reference] = l.Key
	}
	return lines.Err()
}

// rewrite drops superseded lines, and opens the file for appending.
func (k *keyFile) rewrite() error {
	tmp := k.path + ".tmp"
	file, err := os.OpenFile(tmp, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(file)
	enc := json.NewEncoder(out)
	for reference, key := range k.keys {
		if err := enc.Encode(keyLine{reference, key}); err != nil {
			return errors.Join(err, file.Close())
		}
	}
	if err := errors.Join(out.Flush(), file.Sync()); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := os.Rename(tmp, k.path); err != nil {
		return errors.Join(err, file.Close())
	}
	if err := syncDir(filepath.Dir(k.path)); err != nil {
		return errors.Join(err, file.Close())
	}
	if k.file != nil {
		_ = k.file.Close() // it was replaced
	}
	k.file, k.dead = file, 0
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// keyOf returns the key of a reference. A new key is made durable first.
func (k *keyFile) keyOf(reference string) (string, error) {
	if reference == "" || len(reference) > maxReference {
		return "", domain.Invalid("reference", "needs 1 to %d bytes: choose one for every command, such as the order's id", maxReference)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, known := k.keys[reference]; known {
		return key, nil
	}
	if len(k.keys) >= maxReferences {
		return "", domain.Errorf(domain.CodeTooLarge, "%d references are kept; forget those of finished commands", len(k.keys))
	}
	key := uuid.NewString()
	if err := k.append(keyLine{reference, key}); err != nil {
		return "", err
	}
	k.keys[reference] = key
	return key, nil
}

func (k *keyFile) forget(reference string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, known := k.keys[reference]; !known {
		return nil
	}
	if err := k.append(keyLine{Reference: reference}); err != nil {
		return err
	}
	delete(k.keys, reference)
	if k.dead += 2; k.file != nil && k.dead > 10_000 && k.dead > len(k.keys) {
		return k.rewrite()
	}
	return nil
}

func (k *keyFile) append(l keyLine) error {
	if k.file == nil {
		return nil
	}
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	if k.failed != nil {
		return k.failed
	}
	_, err = k.file.Write(append(raw, '\n'))
	if err == nil {
		err = k.file.Sync()
	}
	if err != nil {
		k.failed = fmt.Errorf("keep the idempotency key (nothing is sent until the file is opened again): %w", err)
	}
	return k.failed
}

func (k *keyFile) close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.file == nil {
		return nil
	}
	err := k.file.Close()
	k.file = nil
	return err
}
