// Package wire carries the contract of package sdk over gRPC: both ends of each
// call stand side by side, one file a service. It is the only place, with package
// plugin and package host, that knows go-plugin and gRPC.
package wire

import (
	"github.com/hashicorp/go-plugin"
)

// ProtocolVersion is the major version in the handshake. It only changes when the
// meaning of something does.
const ProtocolVersion = 1

// MaxMessage bounds one gRPC message either way. Batches stay far below it; only
// a single huge event comes near.
const MaxMessage = 64 << 20

// Handshake tells a plugin that the agent started it. The cookie is no secret.
var Handshake = plugin.HandshakeConfig{
	ProtocolVersion:  ProtocolVersion,
	MagicCookieKey:   "INU_LOGSMITH_PLUGIN",
	MagicCookieValue: "6f2c1f5e9b7d4d0a8c53a1e7",
}

// PluginName is the one name that a plugin process serves.
const PluginName = "plugin"

// Features that a plugin announces in Open.
const (
	FeatureSettle   = "settle"
	FeatureWatch    = "watch"
	FeatureWindowed = "windowed"
	FeatureLedger   = "ledger"
	FeatureParallel = "parallel"
	FeatureCheck    = "check"
)

// LifelineVariable names the descriptor whose end of file tells a plugin that the
// agent is gone.
const LifelineVariable = "INU_LOGSMITH_LIFELINE_FD"
