package config_test

import (
	"maps"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/s-developer-team-inu/inu-logsmith/agent/internal/config"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

const exampleFile = "../../../agent.hcl.example"

func readExample(t *testing.T) string {
	t.Helper()
	src, err := os.ReadFile(exampleFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(src)
}

// uncommented activates what the example has commented out: settings follow the # at
// once or after two spaces, words after one.
func uncommented(example string) string {
	return regexp.MustCompile(`(?m)^(\s*)#(\S|  \S)`).ReplaceAllString(example, "$1$2")
}

// predecessorEnv is what an EnvironmentFile of INU-Detector sets.
var predecessorEnv = map[string]string{
	"RDS_HOST": "db.example.org", "RDS_PORT": "5433", "RDS_DATABASE": "inu", "RDS_USER": "writer",
	"RDS_PASSWORD": "hunter2", "GROUP_ID": groupID, "LOG_LEVEL": "WARNING",
	"AWS_DEFAULT_REGION": "eu-central-1", "COLLECTION_INTERVAL": "300", "BATCH_SIZE": "500",
}

func withEnv(env map[string]string) func(*config.Options) {
	return func(o *config.Options) {
		o.Strict = true
		o.Env = func(name string) (string, bool) {
			v, ok := env[name]
			return v, ok
		}
	}
}

func TestExampleIsValid(t *testing.T) {
	for name, text := range map[string]string{
		"as it is":              readExample(t),
		"with nothing left out": uncommented(readExample(t)),
	} {
		t.Run(name, func(t *testing.T) {
			c, diags := parse(text, withEnv(predecessorEnv))
			if len(diags) > 0 {
				t.Fatal(printed(diags))
			}
			if len(c.Pipelines) != 2 || !c.Pipelines[0].Enabled || c.Pipelines[1].Enabled {
				t.Errorf("want one pipeline that runs, and one that does not")
			}
		})
	}
}

func TestExampleNeedsNothingButTheDatabase(t *testing.T) {
	_, diags := parse(readExample(t), withEnv(nil))
	for _, d := range diags {
		if d.Severity != config.Error {
			continue // of the pipeline that is switched off
		}
		named := regexp.MustCompile(`variable (\S+) is`).FindStringSubmatch(d.Detail)
		if named == nil || !strings.Contains("RDS_HOST RDS_PASSWORD GROUP_ID", named[1]) {
			t.Errorf("unexpected: %s", d)
		}
	}
}

func TestExampleHasAHomeForThePredecessorsVariables(t *testing.T) {
	asked := map[string]bool{}
	_, diags := parse(readExample(t), withEnv(predecessorEnv), func(o *config.Options) {
		look := o.Env
		o.Env = func(name string) (string, bool) {
			asked[name] = true
			return look(name)
		}
	})
	if len(diags) > 0 {
		t.Fatal(printed(diags))
	}
	for name := range predecessorEnv {
		if !asked[name] {
			t.Errorf("the example does not read %s", name)
		}
	}
}

func TestExampleShowsEverySetting(t *testing.T) {
	example := uncommented(readExample(t))
	blocks := config.OwnBlocks()
	catalog, err := newCatalog(config.Agent{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for kind, types := range map[string][]string{"source": {"s3", "file", "cloudtrail_api"}, "sink": {"rds_direct"}} {
		for _, typ := range types {
			b, err := catalog.Describe(kind, typ)
			if err != nil {
				t.Fatal(err)
			}
			blocks[typ] = b
		}
	}
	for name, b := range blocks {
		for setting := range maps.Keys(settingsOf(b)) {
			if !regexp.MustCompile(`(?m)^\s*` + setting + ` +[={]`).MatchString(example) {
				t.Errorf("the example does not show %s of %s", setting, name)
			}
		}
	}
}

// settingsOf is the names of all attributes and blocks in b.
func settingsOf(b schema.Block) map[string]bool {
	names := map[string]bool{}
	for _, a := range b.Attributes {
		names[a.Name] = true
	}
	for _, bt := range b.Blocks {
		names[bt.Name] = true
		maps.Copy(names, settingsOf(bt.Block))
	}
	return names
}
