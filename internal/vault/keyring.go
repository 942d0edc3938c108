package vault

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"sync"

	"github.com/fernet/fernet-go"

	"pets/domain"
)

// The variables the keys come from; errors name them.
const (
	currentVariable = "ENCRYPTION_KEY"
	retiredVariable = "ENCRYPTION_KEYS_RETIRED"
)

// maxRetired bounds the keyring: at a rotation every 90 days, 25 years.
const maxRetired = 100

// Keyring holds the key that seals, and those that once did and still open. It
// can be copied, used from many goroutines, and not printed. The zero Keyring is
// like a wiped one.
type Keyring struct {
	hidden
	ring func() *ring // a closure: reflection does not see into it
}

// ring is what a Keyring hides.
type ring struct {
	mu    sync.RWMutex
	wiped bool
	keys  []slot // the current one first
}

type slot struct {
	id  string
	key *fernet.Key
}

// GenerateKey returns a new random Fernet key as text: the value of
// ENCRYPTION_KEY. It is the one secret this package hands out.
func GenerateKey() string {
	for {
		var key fernet.Key
		if err := key.Generate(); err != nil {
			panic("vault: no randomness") // crypto/rand itself ends the process first
		}
		text := key.Encode()
		weak := weakness(&key)
		wipe(key[:])
		if weak == "" { // all but once in 10¹⁰ times
			return text
		}
	}
}

// ParseKeyring reads ENCRYPTION_KEY, one Fernet key, and ENCRYPTION_KEYS_RETIRED,
// which may be empty or hold others, separated by commas without spaces. Its
// errors are domain errors that name the variable and never repeat the value.
func ParseKeyring(current, retired string) (*Keyring, error) {
	r := &ring{}
	if err := r.add(currentVariable, current); err != nil {
		return nil, err
	}
	var texts []string
	if retired != "" {
		texts = strings.Split(retired, ",")
	}
	if len(texts) > maxRetired {
		r.wipe()
		return nil, domain.Invalid(retiredVariable, "holds %d keys; the most is %d", len(texts), maxRetired)
	}
	for _, text := range texts {
		if err := r.add(retiredVariable, text); err != nil {
			r.wipe()
			return nil, err
		}
	}
	return &Keyring{ring: func() *ring { return r }}, nil
}

// add parses one key and puts it behind the others.
func (r *ring) add(variable, text string) error {
	key, err := parseKey(variable, text)
	if err != nil {
		return err
	}
	id := keyID(key)
	if slices.ContainsFunc(r.keys, func(s slot) bool { return s.id == id }) {
		wipe(key[:])
		return domain.Invalid(variable, "holds a key (%s) that is there already; each key stands once, in %s or in %s", id, currentVariable, retiredVariable)
	}
	r.keys = append(r.keys, slot{id, key})
	return nil
}

// parseKey is stricter than the library, which takes hexadecimal, both alphabets,
// line breaks, and zeros: one key has one text.
func parseKey(variable, text string) (*fernet.Key, error) {
	const want = "must be a Fernet key: 32 random bytes in URL-safe base64, 44 characters that end in ="
	if text == "" {
		return nil, domain.Invalid(variable, "is missing or holds an empty key; it %s", want)
	}
	raw, err := decodeCanonical([]byte(text))
	defer wipe(raw)
	key := new(fernet.Key)
	if err != nil || len(raw) != len(key) {
		return nil, domain.Invalid(variable, "%s", want)
	}
	copy(key[:], raw)
	if weak := weakness(key); weak != "" {
		wipe(key[:])
		return nil, domain.Invalid(variable, "%s; make a random one", weak)
	}
	return key, nil
}

// decodeCanonical decodes base64 that has exactly one way to be written. The
// decoder alone skips line breaks.
func decodeCanonical(text []byte) ([]byte, error) {
	if slices.ContainsFunc(text, func(b byte) bool { return b == '\r' || b == '\n' }) {
		return nil, base64.CorruptInputError(0)
	}
	raw := make([]byte, base64.URLEncoding.DecodedLen(len(text)))
	n, err := base64.URLEncoding.Strict().Decode(raw, text)
	return raw[:n], err
}

// weakness says why 32 bytes cannot be random, or nothing. Random bytes fail any
// of these less than once in 10¹⁰ times.
func weakness(key *fernet.Key) string {
	var seen [256]bool
	different, printable, step := 0, true, true
	for i, b := range key {
		if !seen[b] {
			seen[b] = true
			different++
		}
		printable = printable && b >= ' ' && b <= '~'
		step = step && (i == 0 || b-key[i-1] == key[1]-key[0])
	}
	switch {
	case different < 16:
		return "holds a key that repeats a few bytes"
	case step:
		return "holds a key that only counts"
	case printable:
		return "holds a text, not random bytes"
	case string(key[:16]) == string(key[16:]):
		return "holds a key whose halves are the same"
	}
	return ""
}

// keyID is the kid: the first 8 hexadecimal digits of the SHA-256 of the key.
func keyID(key *fernet.Key) string {
	sum := sha256.Sum256(key[:])
	return hex.EncodeToString(sum[:4])
}

// Current is the id of the key that seals, or "" after Wipe.
func (k *Keyring) Current() string {
	ids := k.ids()
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// Retired are the ids of the keys that only open, in the order they were given.
func (k *Keyring) Retired() []string {
	ids := k.ids()
	if len(ids) == 0 {
		return nil
	}
	return ids[1:]
}

func (k *Keyring) ids() []string {
	r := k.open()
	r.mu.RLock()
	defer r.mu.RUnlock()
	var ids []string
	for _, s := range r.keys {
		ids = append(ids, s.id)
	}
	return ids
}

// Wipe erases all keys. It waits for those in use.
func (k *Keyring) Wipe() { k.open().wipe() }

func (r *ring) wipe() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.keys {
		wipe(s.key[:])
	}
	r.keys, r.wiped = nil, true
}

// open returns what is hidden; never nil.
func (k *Keyring) open() *ring {
	if k == nil || k.ring == nil {
		return &ring{wiped: true}
	}
	return k.ring()
}

// use calls f with the key of an id, which must not leave f. The bool is false
// where the keyring has no such key.
func (k *Keyring) use(id string, f func(*fernet.Key) error) (bool, error) {
	r := k.open()
	r.mu.RLock()
	defer r.mu.RUnlock()
	if r.wiped {
		return true, ErrWiped
	}
	for _, s := range r.keys {
		if s.id == id {
			return true, f(s.key)
		}
	}
	return false, nil
}

// wipe overwrites bytes. clear is not removed by the compiler: the bytes are
// reachable by whoever holds the slice.
func wipe(b []byte) { clear(b) }
