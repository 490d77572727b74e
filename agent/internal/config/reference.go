package config

import "github.com/s-developer-team-inu/inu-logsmith/sdk/schema"

// Reference describes the agent's own blocks, by their names, for the documentation.
// "source" and "sink" are what the agent adds to the blocks of any type.
func Reference() map[string]schema.Block {
	return map[string]schema.Block{
		"agent":    describe(agentSettings{}),
		"pipeline": describe(pipelineSettings{}),
		"source":   describe(sourceSettings{}),
		"filter":   describe(filterSettings{}),
		"sink":     describe(sinkSettings{}),
		"batch":    describe(batchSettings{}),
		"plugin":   describe(pluginSettings{}),
		"test":     describe(testSettings{}),
	}
}
