package commands

import "sync"

// inParallel calls f for 0 to n-1, at most atOnce at a time, and returns when all calls
// are done.
func inParallel(n, atOnce int, f func(i int)) {
	next := make(chan int)
	var work sync.WaitGroup
	for range min(n, atOnce) {
		work.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	work.Wait()
}
