package vault

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"pets/domain"
)

// Names in the folder.
const (
	keySuffix = ".key"
	lockName  = ".lock"
)

// tempName matches what a crash can leave behind: <file>.<16 hex>.tmp. No key
// file matches, since those end in .key.
var tempName = regexp.MustCompile(`^[A-Za-z0-9._-]+\.0x[0-9A-Fa-f]{40}\.key\.[0-9a-f]{16}\.tmp$`)

// Keystore is a folder of sealed keys, one file each. It is safe for concurrent
// use, also by other processes; writers exclude each other for the time of one
// key. Reading takes no lock, because a file is replaced atomically.
type Keystore struct {
	dir  string
	ring *Keyring
	fs   FS
	uid  int
}

// Entry is what is known of a key without decrypting it.
type Entry struct {
	Wallet   string
	Address  Address // from the file's name; verified only when the key is used
	KeyID    string  // which key it is sealed under
	Modified time.Time
}

// Open opens a keystore, and creates its folder (not the parents) if necessary.
// It removes what a crash left half written, flushes what it found, and refuses a
// folder that others have access to. Single files are checked when they are used.
func Open(dir string, ring *Keyring) (*Keystore, error) {
	return OpenFS(dir, ring, osFS{}, os.Geteuid())
}

// OpenFS is [Open] on another file system, for a user id; it is for tests.
func OpenFS(dir string, ring *Keyring, files FS, uid int) (*Keystore, error) {
	if ring.Current() == "" {
		return nil, ErrWiped
	}
	k := &Keystore{dir: dir, ring: ring, fs: files, uid: uid}
	if err := k.makeDir(); err != nil {
		return nil, err
	}
	return k, k.locked(k.cleanUp)
}

// makeDir creates the folder, flushes its name, and checks it.
func (k *Keystore) makeDir() error {
	err := k.fs.Mkdir(k.dir)
	if err == nil {
		err = k.fs.SyncDir(filepath.Dir(k.dir))
	} else if errors.Is(err, fs.ErrExist) {
		err = nil
	}
	if err != nil {
		return storage("make "+k.dir, err)
	}
	return k.judgeDir()
}

func (k *Keystore) judgeDir() error {
	info, err := k.fs.Stat(k.dir)
	if err != nil {
		return storage("look at "+k.dir, err)
	}
	return judge(k.dir, info, Folder, k.uid)
}

// cleanUp removes temporary files of this package. It holds the lock, so none is
// in use. It flushes the folder, so that a power cut cannot undo what is visible
// from now on: the process that wrote it may have died before its flush.
func (k *Keystore) cleanUp() error {
	names, err := k.fs.ReadDir(k.dir)
	if err != nil {
		return storage("list "+k.dir, err)
	}
	for _, name := range names {
		if !tempName.MatchString(name) {
			continue
		}
		if err := k.fs.Remove(filepath.Join(k.dir, name)); err != nil {
			return storage("remove "+name, err)
		}
	}
	return k.syncDir()
}

func (k *Keystore) syncDir() error { return storage("flush "+k.dir, k.fs.SyncDir(k.dir)) }

// locked runs f while no other writer is active.
func (k *Keystore) locked(f func() error) error {
	lock, err := k.fs.Lock(filepath.Join(k.dir, lockName))
	if errors.Is(err, ErrBusy) {
		return err
	}
	if err != nil {
		return storage("lock "+k.dir, err)
	}
	defer lock.Close() //nolint:errcheck // it guards, and holds nothing
	return f()
}

// fileOf is the name of a wallet's file.
func fileOf(wallet string, address Address) string {
	return wallet + "." + address.Hex() + keySuffix
}

// parseFile is the inverse of fileOf, and takes only what that would write.
func parseFile(name string) (wallet string, address Address, ok bool) {
	stem, isKey := strings.CutSuffix(name, keySuffix)
	dot := strings.LastIndexByte(stem, '.')
	if !isKey || dot < 0 || !common.IsHexAddress(stem[dot+1:]) {
		return "", Address{}, false
	}
	wallet, address = stem[:dot], common.HexToAddress(stem[dot+1:])
	return wallet, address, domain.CheckID("wallet", wallet) == nil && fileOf(wallet, address) == name
}

// place is a file and the parts of its name.
type place struct {
	name    string
	wallet  string
	address Address
}

// places lists the files of all wallets. It returns names that end in .key but
// are not valid separately: a person has renamed a key, or put one there.
func (k *Keystore) places() (found []place, strange []string, err error) {
	names, err := k.fs.ReadDir(k.dir)
	if err != nil {
		return nil, nil, storage("list "+k.dir, err)
	}
	for _, name := range names {
		if wallet, address, ok := parseFile(name); ok {
			found = append(found, place{name, wallet, address})
		} else if strings.HasSuffix(name, keySuffix) {
			strange = append(strange, name)
		}
	}
	slices.SortStableFunc(found, func(a, b place) int { return strings.Compare(a.wallet, b.wallet) })
	return found, strange, nil
}

// twice reports that a wallet has two files: a person has put one of them there.
func twice(a, b place) error {
	return damaged(a.wallet, "the wallet has two key files, %s and %s", a.name, b.name)
}

// allPlaces is places, but refuses invalid names and wallets with two files, for
// callers that must not miss a wallet.
func (k *Keystore) allPlaces() ([]place, error) {
	found, strange, err := k.places()
	if err != nil {
		return nil, err
	}
	if len(strange) > 0 {
		return nil, strangeName(strange[0])
	}
	for i := 1; i < len(found); i++ {
		if found[i].wallet == found[i-1].wallet {
			return nil, twice(found[i-1], found[i])
		}
	}
	return found, nil
}

func strangeName(name string) error {
	return damaged(name, "the name is not of the form <wallet>.<address>%s", keySuffix)
}

// placeOf finds the file of a wallet. It ignores problems with other files: a
// position must be closable beside a damaged file.
func (k *Keystore) placeOf(wallet string) (place, error) {
	if err := domain.CheckID("wallet", wallet); err != nil {
		return place{}, err
	}
	found, _, err := k.places()
	if err != nil {
		return place{}, err
	}
	i := slices.IndexFunc(found, func(p place) bool { return p.wallet == wallet })
	switch {
	case i < 0:
		return place{}, ErrNotFound
	case i+1 < len(found) && found[i+1].wallet == wallet:
		return place{}, twice(found[i], found[i+1])
	}
	return found[i], nil
}

// read returns the bytes of a file, and refuses one that others have access to.
func (k *Keystore) read(name string) ([]byte, Info, error) {
	path := filepath.Join(k.dir, name)
	blob, info, err := k.fs.Read(path, maxBlob+1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Info{}, ErrNotFound
	}
	if err != nil {
		return nil, Info{}, storage("read "+name, err)
	}
	if err := judge(path, info, Regular, k.uid); err != nil {
		return nil, Info{}, err
	}
	if len(blob) > maxBlob {
		return nil, Info{}, damaged(name, "it is longer than any key")
	}
	return blob, info, nil
}

// List lists the keys, sorted by wallet, without decrypting any.
func (k *Keystore) List() ([]Entry, error) {
	found, err := k.allPlaces()
	if err != nil {
		return nil, err
	}
	entries := make([]Entry, 0, len(found))
	for _, p := range found {
		blob, info, err := k.read(p.name)
		if err != nil {
			return nil, err
		}
		id, _, err := splitBlob(p.name, blob)
		if err != nil {
			return nil, err
		}
		entries = append(entries, Entry{p.wallet, p.address, id, info.Modified})
	}
	return entries, nil
}
