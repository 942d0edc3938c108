package embedded

import "os"

// FreeOn returns how many bytes an ordinary user can still write to the disk of a folder.
// An error means that it is unknown.
func FreeOn(dir *os.File) (uint64, error) { return freeOn(dir) }
