package config

import "github.com/s-developer-team-inu/inu-logsmith/sdk/schema"

// OwnBlocks are the schemas of the blocks that belong to the agent.
func OwnBlocks() map[string]schema.Block {
	return map[string]schema.Block{
		"agent":    describe(agentSettings{}),
		"plugin":   describe(pluginSettings{}),
		"pipeline": describe(pipelineSettings{}),
		"source":   describe(sourceSettings{}),
		"sink":     describe(sinkSettings{}),
		"filter":   describe(filterSettings{}),
		"batch":    describe(batchSettings{}),
	}
}
