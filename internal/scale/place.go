package scale

import "hash/fnv"

// Nodes is a set of nodes by their names. It places portfolios by rendezvous hashing: each node
// draws a number for a portfolio, and the highest has it. A node that is lost leaves every other
// draw as it was, so only its own portfolios move, each to the second highest; a new node
// takes only those for which it draws the highest. Nothing has to be remembered or agreed on but
// the names.
type Nodes []uint64

// Named returns a set of nodes.
func Named(names ...string) Nodes {
	nodes := make(Nodes, len(names))
	for i, name := range names {
		nodes[i] = digest(name)
	}
	return nodes
}

// Place returns the node that has a portfolio, and the one that would have it without that
// node. With one node, both are it; there must be at least one. Of equal draws the earlier wins.
func (n Nodes) Place(portfolio string) (owner, next int) {
	of := digest(portfolio)
	var first, second uint64
	for i, node := range n {
		draw := mix(of ^ node)
		switch {
		case i == 0:
			first = draw
		case draw > first:
			owner, next = i, owner
			first, second = draw, first
		case i == 1 || draw > second:
			next, second = i, draw
		}
	}
	return owner, next
}

// digest is FNV-1a of a name, with its bits mixed: names that differ in one digit have nothing
// in common.
func digest(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	return mix(h.Sum64())
}

// mix is the end of SplitMix64: each bit of x moves about half of the bits of the result.
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}
