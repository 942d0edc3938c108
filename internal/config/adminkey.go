package config

import (
	"io"
	"os"
	"strings"

	"pets/domain"
	"pets/internal/owner"
)

// FirstAdminKey returns the key of PETS_ADMIN_KEY or of PETS_ADMIN_KEY_FILE, and
// which of them has it; "" where neither is set. It refuses a file that others can
// read or could have written, and a key that can be guessed.
func (c Config) FirstAdminKey() (key, from string, err error) {
	key, from = c.AdminKey.Reveal(), "PETS_ADMIN_KEY"
	if c.AdminKeyFile != "" {
		from = "PETS_ADMIN_KEY_FILE"
		if key, err = readKeyFile(c.AdminKeyFile); err != nil {
			return "", from, &domain.Error{Code: domain.CodeInvalid, Field: from, Message: "cannot be used", Cause: err}
		}
		if !goodAdminKey(key) {
			return "", from, domain.Invalid(from, "must hold %s, and nothing else", lookup("AdminKey").rule)
		}
	}
	if key == "" {
		return "", "", nil
	}
	if why := weak(key); why != "" {
		return "", from, domain.Invalid(from, "holds a key that can be guessed: %s. Make one with: openssl rand -base64 32", why)
	}
	return key, from, nil
}

// readKeyFile reads a small file that only its owner can read: this user or root.
// A line end after the key is dropped. It does not open a pipe, because that would
// block until a writer opens it.
func readKeyFile(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", &owner.UntrustedError{Path: path, Why: "it is not a plain file"}
	}
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // read only
	if err := owner.TrustOf().File(f); err != nil {
		return "", err
	}
	if info, err = f.Stat(); err != nil {
		return "", err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return "", &owner.UntrustedError{Path: path, Why: "others than its owner can read it; run chmod 600 on it, and put another key into it"}
	}
	text, err := io.ReadAll(io.LimitReader(f, maxAdminKey+3))
	return strings.TrimRight(string(text), "\r\n"), err
}

// Bounds of what weak accepts. Each lets a random key of any usual alphabet
// through (hex, base32, base64), but for about one in ten thousand.
const (
	leastSymbols = 10 // different characters
	leastTriples = 75 // percent of its runs of three characters that occur once
	mostSteps    = 50 // percent of neighbours that are the same, or next to each other
)

// samples are words of examples and of habit.
var samples = []string{"changeme", "change-me", "change_me", "password", "passwort", "example", "secret", "adminkey", "admin-key", "admin_key", "letmein", "qwerty"}

// weak returns why a key can be guessed, or "". It judges the text alone, so it
// finds what people type and not what was drawn from a small set.
func weak(key string) string {
	lower := strings.ToLower(key)
	for _, s := range samples {
		if strings.Contains(lower, s) {
			return "it holds a word of an example"
		}
	}
	symbols, triples, steps := map[byte]bool{}, map[string]int{}, 0
	for i := range len(key) {
		symbols[key[i]] = true
		if i > 0 {
			if d := int(key[i]) - int(key[i-1]); d >= -1 && d <= 1 {
				steps++
			}
		}
		if i > 1 {
			triples[lower[i-2:i+1]]++
		}
	}
	switch all := len(key) - 2; {
	case len(symbols) < leastSymbols:
		return "it has too few different characters"
	case 100*len(triples) < leastTriples*all:
		return "it repeats itself"
	case 100*steps > mostSteps*(len(key)-1):
		return "it is a run of neighbours"
	}
	return ""
}
