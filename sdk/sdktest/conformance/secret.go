package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// canary stands in for secrets that the given settings do not hold.
const canary = "canary-7Qk2vXw9"

// checkSecrets puts a canary into every sensitive setting, first in a wrong type, then
// in the right one. What becomes of the canary is found by the trial.
func checkSecrets(t *trial) error {
	sensitive := func(p place, _ any) bool { return p.attr.Sensitive }
	list, err := t.variations("with a wrong type of %q", sensitive,
		func(p place, block map[string]any) { block[p.attr.Name] = wrong(p.attr.Type, canary) })
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return Skipped{"there is no sensitive setting"}
	}
	p, err := t.start()
	if err != nil {
		return err
	}
	var traces []trace
	for _, v := range list {
		faults, err := p.Validate(t.ctx, v.settings)
		if err != nil {
			traces = append(traces, trace{"the error of Validate", err.Error()})
		}
		for _, f := range faults {
			traces = append(traces, trace{"a fault about " + strconv.Quote(v.name), f.Summary + " " + f.Detail})
		}
	}
	list, err = t.variations("with a canary as %q", sensitive,
		func(p place, block map[string]any) { block[p.attr.Name] = right(p.attr.Type, canary) })
	if err != nil {
		return err
	}
	for _, v := range list {
		found, err := t.tell(v.settings)
		if err != nil {
			return err
		}
		traces = append(traces, found...)
	}
	return leaks(traces, t.secrets())
}

// right is a value of type t that holds text, as far as one can.
func right(t schema.Type, text string) any {
	switch t {
	case schema.String:
		return text
	case schema.ListOfString:
		return []any{text}
	case schema.MapOfString:
		return map[string]any{"canary": text}
	}
	return 7
}

// tell uses the plugin with settings that need not work, and returns all errors. They
// are no failure, but must not tell secrets.
func (t *trial) tell(settings json.RawMessage) ([]trace, error) {
	p, err := t.start()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, openTimeout)
	defer cancel()
	var traces []trace
	note := func(call string, err error) {
		if err != nil {
			traces = append(traces, trace{"the error of " + call, err.Error()})
		}
	}
	faults, err := p.Validate(ctx, settings)
	note("Validate", err)
	for _, f := range faults {
		traces = append(traces, trace{"a fault", f.Summary + " " + f.Detail})
	}
	_, err = p.Open(ctx, settings, t.options.OpenEnvironment)
	note("Open", err)
	if err != nil {
		return traces, nil
	}
	p.look()
	if t.description.Kind == "source" {
		note("Discover", p.Source().Discover(ctx, sdk.TimeRange{}, func([]sdk.Split) error { return nil }))
	} else {
		_, err = p.Sink().Write(ctx, t.events(1).batch())
		note("Write", err)
	}
	note("Stop", p.Stop(ctx))
	return traces, nil
}

// findSecrets looks for the values of sensitive settings wherever the trial left
// traces. failure is the check's own error.
func (t *trial) findSecrets(failure error) error {
	var traces []trace
	traces = append(traces, trace{"its log", t.log.String()})
	for _, p := range t.processes {
		traces = append(traces, trace{"its arguments or environment", p.seen})
	}
	if failure != nil {
		traces = append(traces, trace{"an error", failure.Error()})
	}
	return leaks(traces, t.secrets())
}

// A trace is a text that a plugin had a part in, and where it stood.
type trace struct{ where, text string }

func leaks(traces []trace, secrets []secret) error {
	var errs []error
	for _, tr := range traces {
		for _, s := range secrets {
			if strings.Contains(tr.text, s.value) {
				errs = append(errs, fmt.Errorf("the value of the sensitive setting %q appears in %s", s.path, tr.where))
			}
		}
	}
	return errors.Join(errs...)
}

// A secret is the value of a sensitive attribute that the given settings hold.
type secret struct{ path, value string }

// shortestSecret is the length below which a value would be found by chance.
const shortestSecret = 6

// secrets are the sensitive values that a plugin must not repeat.
func (s *Suite) secrets() []secret {
	settings, err := parse(s.options.Settings)
	if err != nil {
		return nil // reported by the check of the settings
	}
	secrets := []secret{{path: "(canary)", value: canary}}
	for _, p := range places(s.description.Settings, settings, nil, "") {
		if !p.attr.Sensitive {
			continue
		}
		for _, text := range texts(p.value(settings)) {
			if len(text) >= shortestSecret {
				secrets = append(secrets, secret{path: p.path, value: text})
			}
		}
	}
	return secrets
}

// texts are the strings in a value.
func texts(v any) []string {
	switch v := v.(type) {
	case string:
		return []string{v}
	case []any:
		var found []string
		for _, e := range v {
			found = append(found, texts(e)...)
		}
		return found
	case map[string]any:
		var found []string
		for _, k := range slices.Sorted(maps.Keys(v)) {
			found = append(found, texts(v[k])...)
		}
		return found
	}
	return nil
}
