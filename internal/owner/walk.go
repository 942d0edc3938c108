package owner

import "fmt"

// foreignLinkError reports that a user's link leads root to a folder of another
// user.
type foreignLinkError struct{ by, to uint32 }

func (e *foreignLinkError) Error() string {
	return fmt.Sprintf("a link made by user %d leads to a folder of user %d: root does not write there; name the folder itself", e.by, e.to)
}
