package testenv

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
)

// Forms returns the forms in which a secret could be written, by name: the bytes themselves
// ("raw"), and the texts that a careless line of code could make of them.
func Forms(secret []byte) map[string][]byte {
	list := strings.Trim(fmt.Sprintf("%d", secret), "[]")
	out := map[string][]byte{
		"raw":              secret,
		"hexadecimal":      []byte(hex.EncodeToString(secret)),
		"HEXADECIMAL":      []byte(strings.ToUpper(hex.EncodeToString(secret))),
		"decimal":          []byte(new(big.Int).SetBytes(secret).String()),
		"list of bytes":    []byte(list),
		"list with commas": []byte(strings.ReplaceAll(list, " ", ",")),
		"list of hex":      []byte(strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", secret), "[]byte{"), "}")),
		"spaced hex":       fmt.Appendf(nil, "% x", secret),
		"quoted":           []byte(strings.Trim(fmt.Sprintf("%q", secret), `"`)),
	}
	for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "URL-safe base64": base64.RawURLEncoding} {
		for shift := range 3 { // as part of a longer text
			text := encoding.EncodeToString(append(make([]byte, shift), secret...))
			out[fmt.Sprintf("%s+%d", name, shift)] = []byte(text[4 : len(text)-4])
		}
	}
	return out
}

// InMemory counts the copies of each secret in a process's memory, in the regions whose
// mode begins with mode: "r" for all readable ones, "rw" for writable ones. It needs root.
func InMemory(pid int, mode string, secrets map[string][]byte) (map[string]int, error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return nil, err
	}
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		return nil, err
	}
	defer memory.Close() //nolint:errcheck // read only
	found, read := map[string]int{}, 0
	for line := range strings.Lines(string(maps)) {
		var from, to uint64
		var has string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &has); err != nil {
			return nil, err
		}
		if !strings.HasPrefix(has, mode) || strings.Contains(line, "[v") /* the kernel's */ || to-from > 1<<30 {
			continue
		}
		region := make([]byte, to-from)
		n, _ := memory.ReadAt(region, int64(from)) // some regions cannot be read
		read += n
		for name, secret := range secrets {
			if count := bytes.Count(region[:n], secret); count > 0 {
				found[name] += count
			}
		}
	}
	if read < 1<<20 {
		return nil, errors.New("less than 1 MiB of memory could be read")
	}
	return found, nil
}
