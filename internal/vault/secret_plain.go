//go:build !goexperiment.runtimesecret || cgo

package vault

// ErasesMemory reports whether this build erases the copies of secrets that
// libraries make. It takes CGO_ENABLED=0 GOEXPERIMENT=runtimesecret: calls into C
// do not survive inside the runtime's secret mode.
const ErasesMemory = false

// inSecret runs f. Only what this package copies itself is wiped.
func inSecret(f func() error) error { return f() }
