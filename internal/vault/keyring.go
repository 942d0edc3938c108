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

// The variables that hold the keys; errors name them.
const (
	currentVariable = "ENCRYPTION_KEY"
	retiredVariable = "ENCRYPTION_KEYS_RETIRED"
)

// maxRetired limits the keyring: 25 years of rotations every 90 days.
const maxRetired = 100

// Keyring holds the current encryption key, and the retired ones that can still
// decrypt. It can be copied, is safe for concurrent use, and cannot be printed.
// The zero Keyring is like a wiped one.
type Keyring struct {
	hidden
	ring func() *ring // a closure: reflection does not see into it
}

// ring is the hidden content of a Keyring.
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
// ENCRYPTION_KEY. It is the only secret that this package returns.
func GenerateKey() string {
	for {
		var key fernet.Key
		if err := key.Generate(); err != nil {
			panic("vault: no randomness") // crypto/rand itself ends the process first
		}
		text := key.Encode()
		weak := weakness(&key)
		wipe(key[:])
		if weak == "" { // all but one in 10¹⁰ keys
			return text
		}
	}
}

// ParseKeyring parses ENCRYPTION_KEY, one Fernet key, and
// ENCRYPTION_KEYS_RETIRED, which may be empty or hold others, separated by commas
// without spaces. Its errors are domain errors that name the variable and never
// repeat the value.
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

// add parses one key and appends it.
func (r *ring) add(variable, text string) error {
	key, err := parseKey(variable, text)
	if err != nil {
		return err
	}
	id := keyID(key)
	if slices.ContainsFunc(r.keys, func(s slot) bool { return s.id == id }) {
		wipe(key[:])
		return domain.Invalid(variable, "holds a key (%s) that is already listed; each key is listed once, in %s or in %s", id, currentVariable, retiredVariable)
	}
	r.keys = append(r.keys, slot{id, key})
	return nil
}

// parseKey is stricter than the library, which accepts hexadecimal, both
// alphabets, line breaks, and zeros. Here a key has exactly one text form.
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

// decodeCanonical decodes base64 in its only canonical form. The decoder alone
// would skip line breaks.
func decodeCanonical(text []byte) ([]byte, error) {
	if slices.ContainsFunc(text, func(b byte) bool { return b == '\r' || b == '\n' }) {
		return nil, base64.CorruptInputError(0)
	}
	raw := make([]byte, base64.URLEncoding.DecodedLen(len(text)))
	n, err := base64.URLEncoding.Strict().Decode(raw, text)
	return raw[:n], err
}

// weakness says why 32 bytes cannot be random, or returns "". Random bytes fail
// any of these checks less than once in 10¹⁰ times.
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
		return "holds a key whose bytes only count up or down"
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

// Current returns the id of the current encryption key, or "" after Wipe.
func (k *Keyring) Current() string {
	ids := k.ids()
	if len(ids) == 0 {
		return ""
	}
	return ids[0]
}

// Retired returns the ids of the retired keys, in the order they were given.
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

// open returns the hidden content; never nil.
func (k *Keyring) open() *ring {
	if k == nil || k.ring == nil {
		return &ring{wiped: true}
	}
	return k.ring()
}

// use calls f with the key of an id, which must not leave f. It returns false if
// the keyring has no such key.
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

// wipe overwrites bytes. The compiler does not remove clear, because the caller
// can still reach the bytes.
func wipe(b []byte) { clear(b) }
