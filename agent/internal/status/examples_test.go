package status_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

const monitoring = "../../../examples/monitoring/"

// Every metric that the dashboard and the alert rules name is one that the agent has.
func TestDashboardAndAlertsNameMetricsThatExist(t *testing.T) {
	_, url := site(t, full(t, time.Now()))
	_, metrics, _ := get(t, url+"/metrics")
	exists := make(map[string]bool)
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (\S+)`).FindAllStringSubmatch(metrics, -1) {
		exists[m[1]] = true
	}
	for _, file := range []string{"dashboard.json", "alerts.yml"} {
		src, err := os.ReadFile(monitoring + file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(file, ".json") && !json.Valid(src) {
			t.Errorf("%s is not JSON", file)
		}
		named := regexp.MustCompile(`\b(?:inu_logsmith|process|go)_[a-z_]+`).FindAllString(string(src), -1)
		if len(named) < 8 {
			t.Errorf("%s names only %v", file, named)
		}
		for _, name := range named {
			if !exists[name] {
				t.Errorf("%s names %s, which the agent does not have", file, name)
			}
		}
	}
}

// Where promtool is missing the test is skipped, but not in CI, which fetches it. What it
// says of metrics, promlint says as well.
func TestPromtoolAcceptsMetricsAndRules(t *testing.T) {
	promtool, err := exec.LookPath("promtool")
	if err != nil && os.Getenv("CI") != "" {
		t.Fatal("no promtool on this machine; .ci/run fetches it")
	}
	if err != nil {
		t.Skip("no promtool on this machine, the rules are not checked: apt-get install prometheus")
	}
	_, url := site(t, full(t, time.Now()))
	_, metrics, _ := get(t, url+"/metrics")
	check := exec.Command(promtool, "check", "metrics")
	check.Stdin = strings.NewReader(metrics)
	if out, err := check.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("check metrics: %v\n%s", err, out)
	}
	if out, err := exec.Command(promtool, "check", "rules", monitoring+"alerts.yml").CombinedOutput(); err != nil {
		t.Errorf("check rules: %v\n%s", err, out)
	}
}
