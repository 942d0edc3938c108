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

// tempName is what a crash can leave behind: <file>.<16 hex>.tmp. No key file can
// look like it, since those end in .key.
var tempName = regexp.MustCompile(`^[A-Za-z0-9._-]+\.0x[0-9A-Fa-f]{40}\.key\.[0-9a-f]{16}\.tmp$`)

// Keystore is a folder of sealed keys, one file each. Many goroutines may use it,
// and other processes may use the folder; writers exclude each other for the time
// of one key. Reading takes no lock: a file is replaced in one step.
type Keystore struct {
	dir  string
	ring *Keyring
	fs   FS
	uid  int
}

// Entry is what can be seen of a key without decrypting it.
type Entry struct {
	Wallet   string
	Address  Address // from the file's name; proven only when the key is used
	KeyID    string  // which key it is sealed under
	Modified time.Time
}

// Open opens a keystore, and makes its folder (not the parents) if need be. It
// removes what a crash left half written, flushes what it found, and refuses a
// folder that others have access to. Single files are judged when they are used.
func Open(dir string, ring *Keyring) (*Keystore, error) {
	return OpenFS(dir, ring, osFS{}, os.Geteuid())
}

// OpenFS is [Open] on another file system, for a user id: the seam for tests.
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

// makeDir makes the folder, flushes its name, and judges it.
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

// cleanUp removes our temporary files. It holds the lock, so none is in use. It
// flushes the folder, so that nothing seen from now on can be undone by a power
// cut: the process that wrote it may have died before it did so.
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

// locked runs f while no other writer does anything.
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

// place is a file and what its name says.
type place struct {
	name    string
	wallet  string
	address Address
}

// places lists the files of all wallets. Names that end in .key and are not ours
// stand apart: somebody has renamed a key, or put one there.
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

// twice says that a wallet has two files: somebody has put one of them there.
func twice(a, b place) error {
	return damaged(a.wallet, "the wallet has two key files, %s and %s", a.name, b.name)
}

// allPlaces is places that refuses strange names and wallets with two files:
// whoever counts wallets must not miss one.
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
	return damaged(name, "this is not how key files are named: <wallet>.<address>%s", keySuffix)
}

// placeOf finds the file of a wallet. What is wrong with others is no matter: a
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

// read returns the bytes of a file that nobody else has access to.
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

// List says which keys there are, sorted by wallet, without decrypting any.
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
