package wire

import (
	"context"
	"errors"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Plugin is go-plugin's view of a plugin process: what it serves and how the agent
// gets a client of it. Definition is nil on the agent's side.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
	Definition Definition
}

var _ plugin.GRPCPlugin = (*Plugin)(nil)

// GRPCServer registers the definition's services; go-plugin calls it in the plugin.
func (p *Plugin) GRPCServer(_ *plugin.GRPCBroker, s *grpc.Server) error {
	if p.Definition == nil {
		return errors.New("nothing to serve")
	}
	Register(s, p.Definition)
	return nil
}

// GRPCClient hands out the connection; go-plugin calls it in the agent.
func (p *Plugin) GRPCClient(_ context.Context, _ *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}
