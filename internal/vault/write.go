package vault

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"path/filepath"

	"pets/domain"
)

// Create seals a key under the current encryption key as a wallet's. It never
// overwrites: if the wallet has a key, it returns ErrExists. A crash leaves
// either nothing or the complete file; after an ErrStorage ask [Keystore.Address]
// which.
func (k *Keystore) Create(wallet, path string, key *PrivateKey) (Address, error) {
	if err := domain.CheckID("wallet", wallet); err != nil {
		return Address{}, err
	}
	if _, err := parsePath(path); err != nil {
		return Address{}, err
	}
	c := content{wallet, key.Address(), path, key}
	p := place{fileOf(wallet, c.address), wallet, c.address}
	err := inSecret(func() error {
		return k.locked(func() error {
			_, err := k.placeOf(wallet)
			if err == nil {
				return ErrExists
			}
			if !errors.Is(err, ErrNotFound) {
				return err
			}
			return k.replace(p, c, k.fs.RenameNew)
		})
	})
	if err != nil {
		return Address{}, err
	}
	return c.address, nil
}

// replace seals a content into a temporary file, flushes it, decrypts what is
// there now and compares, and only then lets rename replace the file. A crash
// before the rename leaves the old file, a crash after it the new one.
func (k *Keystore) replace(p place, c content, rename func(from, to string) error) error {
	blob, err := k.ring.seal(c)
	if err != nil {
		return err
	}
	temp := p.name + "." + randomHex() + ".tmp"
	from, to := filepath.Join(k.dir, temp), filepath.Join(k.dir, p.name)
	err = k.writeTemp(from, blob)
	if err == nil {
		err = k.proveTemp(p, temp, c)
	}
	if err == nil {
		err = storage("rename "+temp, rename(from, to))
	}
	if errors.Is(err, fs.ErrExist) {
		err = ErrExists
	}
	if err != nil {
		_ = k.fs.Remove(from) // it holds ciphertext, and Open removes it too
		return err
	}
	return k.syncDir()
}

func (k *Keystore) writeTemp(path string, blob []byte) error {
	f, err := k.fs.Create(path)
	if err != nil {
		return storage("create a file", err)
	}
	_, err = f.Write(blob)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	return storage("write a file", err)
}

// proveTemp reads a file back and opens it as a reader would. No key is replaced
// by one that was not successfully decrypted.
func (k *Keystore) proveTemp(p place, temp string, want content) error {
	blob, _, err := k.read(temp)
	if err != nil {
		return err
	}
	got, err := k.unsealAt(p, blob)
	if err != nil {
		return err
	}
	defer got.key.Wipe()
	same, err := sameKey(got.key, want.key)
	if err != nil {
		return err
	}
	if !same || got.path != want.path {
		return damaged(temp, "it does not hold what was written")
	}
	return nil
}

func randomHex() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: it ends the process instead
	return hex.EncodeToString(b[:])
}
