//go:build !unix

package commands

import "os"

// ownedLikeFolder does nothing where files have no owner that a server would stumble over.
func ownedLikeFolder(*os.File) {}
