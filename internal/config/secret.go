package config

import (
	"errors"
	"fmt"
	"log/slog"
)

// Secret is a value that must not be printed. It is kept in a closure: whatever
// prints, logs or compares the struct that contains it sees a function. The zero
// Secret is empty.
type Secret struct{ reveal func() string }

// NewSecret hides a text.
func NewSecret(text string) Secret { return Secret{func() string { return text }} }

// Reveal returns the text. Call it only where the text is needed.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

const hidden = "(hidden)"

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hidden)) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(hidden) }

// MarshalText always fails: a secret must not be written.
func (Secret) MarshalText() ([]byte, error) {
	return nil, errors.New("a secret must not be written")
}

// UnmarshalText reads one from the environment.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
