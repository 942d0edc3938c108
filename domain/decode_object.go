package domain

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
)

// DecodeObject reads one JSON object of known fields into a struct. It refuses null, which
// json takes for any type, a field that the struct does not have, and whatever stands
// behind the object. It is for what this code has written, and for patches of what it
// keeps, where a field that is missing stays as it is; bodies of requests are read by
// internal/strict, which asks for more.
func DecodeObject(data []byte, into any) error {
	if !bytes.HasPrefix(bytes.TrimLeft(data, " \t\r\n"), []byte("{")) {
		return errors.New("data is not a JSON object")
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data goes on after the JSON object")
	}
	return nil
}
