// Package python holds the SDK for plugins in Python: a module that an author keeps
// beside the plugin, and the messages of the protocol, which it imports.
package python

import "embed"

// Files are agent_plugin.py and plugin_pb2.py.
//
//go:embed agent_plugin.py plugin_pb2.py
var Files embed.FS
