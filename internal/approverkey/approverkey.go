// Package approverkey keeps the private half of an approver's key in a file.
//
// It owns the form of the file (OpenSSH's, encrypted with a passphrase), how it is
// made, and what is signed with it. It refuses to write over a file, to read one that
// others have access to or that is not encrypted, and to hand the private half out: it
// exists in memory while one subject is signed.
package approverkey

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/crypto/ssh"
	"golang.org/x/sys/unix"

	"pets/domain"
	"pets/domain/approval"
	"pets/internal/vault"
)

const (
	// Shortest is the least number of bytes of a passphrase, longest the most. A guess
	// costs some tenths of a second, so that twelve letters by chance are enough.
	Shortest = 12
	longest  = 1024
	// maxFile bounds a key file; a usual one has some 500 bytes.
	maxFile = 16 << 10
	// blockType is the type of the file's one PEM block.
	blockType = "OPENSSH PRIVATE KEY"
	// comment stands in the file, encrypted.
	comment = "approver's key of pets"
)

// ErrPassphrase is the error of a passphrase that does not open the file.
var ErrPassphrase = errors.New("this is not the passphrase of the key")

// CheckPassphrase refuses a passphrase that is too short, or that no person would type.
func CheckPassphrase(p []byte) error {
	if len(p) < Shortest || len(p) > longest {
		return domain.Invalid("passphrase", "must have from %d to %d characters: whoever gets the file guesses it without anybody noticing", Shortest, longest)
	}
	if len(bytes.Trim(p, string(p[:1]))) == 0 {
		return domain.Invalid("passphrase", "is one character, repeated")
	}
	return nil
}

// Create makes a key, and writes it into a new file that only its owner can read. It
// makes the folder if that is missing.
func Create(path string, passphrase []byte) (approval.PublicKey, error) {
	if err := CheckPassphrase(passphrase); err != nil {
		return nil, err
	}
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	defer clear(private)
	block, err := ssh.MarshalPrivateKeyWithPassphrase(private, comment, passphrase)
	if err != nil {
		return nil, domain.Errorf(domain.CodeInternal, "the key cannot be encrypted: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("the folder of the key cannot be made: %w", err)
	}
	if err := write(path, pem.EncodeToMemory(block)); err != nil {
		return nil, err
	}
	return approval.PublicKey(public), nil
}

// write writes a new file and flushes it with its name. It leaves none behind that is
// not whole, or where others could replace it.
func write(path string, text []byte) error {
	w, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|unix.O_NOFOLLOW, 0o600)
	switch {
	case errors.Is(err, fs.ErrExist):
		return domain.Errorf(domain.CodeConflict, "%s is there already, and no key is ever written over: what it approves nobody else can. Use it, or name another file with --with", path)
	case err != nil:
		return fmt.Errorf("%s cannot be written: %w", path, err)
	}
	_, err = w.Write(text)
	if err = errors.Join(err, w.Sync(), w.Close()); err == nil {
		err = vault.CheckSecretFile(path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%s cannot be written: %w", path, err), os.Remove(path))
	}
	if dir, e := os.Open(filepath.Dir(path)); e == nil {
		_ = dir.Sync() // flushes the name; not every file system supports it
		_ = dir.Close()
	}
	return nil
}

// Key is a key file that was read. It is still encrypted.
type Key struct {
	path   string
	text   []byte
	public approval.PublicKey
}

// Open reads a key file, without its passphrase.
func Open(path string) (*Key, error) {
	text, err := read(path)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != blockType || len(block.Headers) > 0 || len(bytes.TrimSpace(rest)) > 0 || !bytes.HasPrefix(text, []byte("-----BEGIN ")) {
		return nil, wrong(path, "it holds something else than one %s", blockType)
	}
	_, err = ssh.ParseRawPrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case err == nil:
		return nil, wrong(path, "it is not encrypted. Whoever reads it can approve in your name: make another one with pets apikey request")
	case !errors.As(err, &locked) || locked.PublicKey == nil:
		return nil, wrong(path, "it is damaged")
	}
	of, is := locked.PublicKey.(ssh.CryptoPublicKey)
	if !is {
		return nil, wrong(path, "it is no Ed25519 key")
	}
	public, is := of.CryptoPublicKey().(ed25519.PublicKey)
	if !is {
		return nil, wrong(path, "it is no Ed25519 key")
	}
	return &Key{path: path, text: text, public: approval.PublicKey(public)}, nil
}

func wrong(path, format string, args ...any) error {
	return domain.Errorf(domain.CodeInvalid, "%s is not an approver's key as pets apikey request makes it: %s", path, fmt.Sprintf(format, args...))
}

// read reads a file that only its owner has access to. It follows no link: the file
// that was checked is the one that is read.
func read(path string) ([]byte, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, domain.Errorf(domain.CodeNotFound, "there is no approver's key at %s: make one with pets apikey request, or name its file with --with or PETS_APPROVER_KEY", path)
	case err != nil:
		return nil, fmt.Errorf("the approver's key cannot be read: %w", err)
	case !info.Mode().IsRegular():
		return nil, domain.Errorf(domain.CodeInvalid, "%s is not a regular file; an approver's key is read through no link: name the file itself", path)
	}
	if err := vault.CheckSecretFile(path); err != nil {
		return nil, err
	}
	r, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("the approver's key cannot be read: %w", err)
	}
	defer func() { _ = r.Close() }() // only read
	if opened, err := r.Stat(); err != nil || !os.SameFile(info, opened) {
		return nil, domain.Errorf(domain.CodeConflict, "%s was replaced while it was read", path)
	}
	text, err := io.ReadAll(io.LimitReader(r, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("the approver's key cannot be read: %w", err)
	case len(text) > maxFile:
		return nil, wrong(path, "it is larger than %d KiB", maxFile>>10)
	}
	return text, nil
}

// Public returns the public half as the file has it in clear; Sign checks it.
func (k *Key) Public() approval.PublicKey { return k.public }

// Sign signs a subject. The private half is wiped before it returns.
func (k *Key) Sign(s approval.Subject, passphrase []byte) (domain.ApprovalSignature, error) {
	var none domain.ApprovalSignature
	if len(passphrase) == 0 { // no key has an empty one, and the file is not even tried with it
		return none, ErrPassphrase
	}
	raw, err := ssh.ParseRawPrivateKeyWithPassphrase(k.text, passphrase)
	switch {
	case errors.Is(err, x509.IncorrectPasswordError):
		return none, ErrPassphrase
	case err != nil:
		return none, wrong(k.path, "it is damaged")
	}
	private, is := raw.(*ed25519.PrivateKey)
	if !is || len(*private) != ed25519.PrivateKeySize {
		return none, wrong(k.path, "it is no Ed25519 key")
	}
	defer clear(*private)
	// A signature that is made with a public half of another key gives the private one away.
	own := ed25519.NewKeyFromSeed(private.Seed())
	defer clear(own)
	if !bytes.Equal(own[ed25519.SeedSize:], k.public) || !bytes.Equal(own, *private) {
		return none, wrong(k.path, "its public half is not that of its private half; somebody has changed it")
	}
	return approval.Sign(s, own)
}
