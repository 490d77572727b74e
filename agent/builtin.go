package main

import (
	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/catalog"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/cloudtrailapi"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/file"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/rdsdirect"
	"github.com/s-developer-team-inu/inu-logsmith/plugins/s3"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/plugin"
)

// version is the version of the built-ins: they are part of the agent.
const version = "0.1.0"

// builtins are the plugins inside this binary. They are registered here and nowhere
// else; this file is the only importer of plugins.
func builtins() []catalog.Builtin {
	return []catalog.Builtin{
		{Definition: plugin.Source("s3", version, s3.Open), Cloud: true},
		{Definition: plugin.Source("cloudtrail_api", version, cloudtrailapi.Open), Cloud: true},
		{Definition: plugin.Source("file", version, file.Open)},
		{Definition: plugin.Sink("rds_direct", version, rdsdirect.Open), Cloud: true},
	}
}
