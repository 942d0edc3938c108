//go:build goexperiment.runtimesecret && !cgo

package vault

import "runtime/secret"

// ErasesMemory reports whether this build erases the copies of secrets that
// libraries make. It takes CGO_ENABLED=0 GOEXPERIMENT=runtimesecret: calls into C
// do not survive inside the runtime's secret mode.
const ErasesMemory = true

// inSecret runs f so that its registers, stack and, at the next garbage
// collection, its heap are erased.
func inSecret(f func() error) (err error) {
	secret.Do(func() { err = f() })
	return err
}
