package esdbtest

import (
	"context"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
)

// gossiper answers what the members of a cluster know of each other. It is a type of its own,
// because two services of the protocol have a method Read.
type gossiper struct {
	gossip.UnimplementedGossipServer
	node *node
}

func (g gossiper) Read(ctx context.Context, _ *shared.Empty) (*gossip.ClusterInfo, error) {
	if _, err := g.node.intercept(ctx, CallGossip, ""); err != nil {
		return nil, err
	}
	return &gossip.ClusterInfo{Members: g.node.cluster.members()}, nil
}

func (c *Cluster) members() (members []*gossip.MemberInfo) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, n := range c.nodes {
		state := gossip.MemberInfo_Unknown
		switch {
		case i == c.leader:
			state = gossip.MemberInfo_Leader
		case c.leader >= 0:
			state = gossip.MemberInfo_Follower
		}
		host, port := n.endpoint()
		members = append(members, &gossip.MemberInfo{
			InstanceId: wireID(n.id, false), TimeStamp: time.Now().UnixNano() / 100, State: state, IsAlive: n.up.Load(),
			HttpEndPoint: &gossip.EndPoint{Address: host, Port: small(port)},
		})
	}
	return members
}

// features answers what the server supports.
type features struct {
	serverfeatures.UnimplementedServerFeaturesServer
	node *node
}

func (f features) GetSupportedMethods(ctx context.Context, _ *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	if _, err := f.node.intercept(ctx, CallFeatures, ""); err != nil {
		return nil, err
	}
	const of = "event_store.client.streams.streams"
	methods := []*serverfeatures.SupportedMethod{
		{MethodName: "append", ServiceName: of},
		{MethodName: "delete", ServiceName: of},
		{MethodName: "read", ServiceName: of, Features: []string{"position", "events"}},
		{MethodName: "tombstone", ServiceName: of},
		{MethodName: "read", ServiceName: "event_store.client.gossip.gossip"},
		{MethodName: "getsupportedmethods", ServiceName: "event_store.client.server_features.serverfeatures"},
	}
	if !f.node.cluster.options.NoBatchAppend {
		methods = append(methods, &serverfeatures.SupportedMethod{MethodName: "batchappend", ServiceName: of, Features: []string{"deadline_duration"}})
	}
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: f.node.cluster.options.Version, Methods: methods}, nil
}
