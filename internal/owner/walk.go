package owner

import "fmt"

// foreignLinkError: somebody's link leads root to a folder that is not his.
type foreignLinkError struct{ by, to uint32 }

func (e *foreignLinkError) Error() string {
	return fmt.Sprintf("a link that user %d has made leads to a folder of user %d: root does not write there; name the folder itself", e.by, e.to)
}
