package vault

import (
	"fmt"
	"log/slog"
)

const hiddenText = "(hidden)"

// hidden implements every method by which a value could be printed or encoded,
// and reveals nothing in any of them. The secret itself is kept in a closure
// beside it, so that reflection does not find it either, whatever struct it is
// part of.
type hidden struct{}

// Format implements fmt.Formatter for every verb.
func (hidden) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(hiddenText)) }

// String implements fmt.Stringer.
func (hidden) String() string { return hiddenText }

// GoString implements fmt.GoStringer.
func (hidden) GoString() string { return hiddenText }

// LogValue implements slog.LogValuer.
func (hidden) LogValue() slog.Value { return slog.StringValue(hiddenText) }

// MarshalText refuses.
func (hidden) MarshalText() ([]byte, error) { return nil, ErrHidden }

// MarshalJSON refuses.
func (hidden) MarshalJSON() ([]byte, error) { return nil, ErrHidden }

// MarshalBinary refuses, and encoding/gob with it.
func (hidden) MarshalBinary() ([]byte, error) { return nil, ErrHidden }
