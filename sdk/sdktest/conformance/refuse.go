package conformance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
)

func checkSettings(t *trial) error {
	settings, err := parse(t.options.Settings)
	if err != nil {
		return err
	}
	if err := meetsSchema(t.description.Settings, settings); err != nil {
		return fmt.Errorf("the settings given to the checks do not meet the plugin's schema: %w", err)
	}
	p, err := t.start()
	if err != nil {
		return err
	}
	faults, err := p.Validate(t.ctx, t.options.Settings)
	if err != nil {
		return fmt.Errorf("validate: %w", err)
	}
	for _, f := range faults {
		err = errors.Join(err, fmt.Errorf("the plugin finds fault with the given settings: %s: %s: %s", f.Path, f.Summary, f.Detail))
	}
	return err
}

// A variation is the given settings with one thing wrong.
type variation struct {
	settings json.RawMessage
	name     string // of the setting at fault
	what     string
}

// refuses asks the plugin about each variation.
func refuses(t *trial, variations []variation) error {
	if len(variations) == 0 {
		return Skipped{"there is no such setting"}
	}
	p, err := t.start()
	if err != nil {
		return err
	}
	var errs []error
	for _, v := range variations {
		faults, err := p.Validate(t.ctx, v.settings)
		switch {
		case err != nil:
			return fmt.Errorf("validate settings %s: %w", v.what, err)
		case len(faults) == 0:
			errs = append(errs, fmt.Errorf("settings %s are accepted", v.what))
		case !mentions(faults, v.name):
			errs = append(errs, fmt.Errorf("settings %s are refused with a fault that does not name %q: %s; %s", v.what, v.name, faults[0].Summary, faults[0].Detail))
		}
	}
	return errors.Join(errs...)
}

// variations applies change to each place that wanted picks.
func (t *trial) variations(what string, wanted func(place, any) bool, change func(place, map[string]any)) ([]variation, error) {
	settings, err := parse(t.options.Settings)
	if err != nil {
		return nil, err
	}
	var list []variation
	for _, p := range places(t.description.Settings, settings, nil, "") {
		if !wanted(p, p.value(settings)) {
			continue
		}
		raw, err := changed(t.options.Settings, p, func(block map[string]any) { change(p, block) })
		if err != nil {
			return nil, err
		}
		list = append(list, variation{settings: raw, name: p.attr.Name, what: fmt.Sprintf(what, p.path)})
	}
	return list, nil
}

func checkMissing(t *trial) error {
	list, err := t.variations("without %q",
		func(p place, value any) bool { return (p.attr.Required || p.attr.OneOf != "") && value != nil },
		func(p place, block map[string]any) { delete(block, p.attr.Name) })
	if err != nil {
		return err
	}
	return refuses(t, list)
}

func checkWrongTypes(t *trial) error {
	list, err := t.variations("with a wrong type of %q",
		func(place, any) bool { return true },
		func(p place, block map[string]any) { block[p.attr.Name] = wrong(p.attr.Type, "text") })
	if err != nil {
		return err
	}
	return refuses(t, list)
}

const unknownName = "no_such_setting"

func (t *trial) withUnknown() (variation, error) {
	raw, err := changed(t.options.Settings, place{}, func(block map[string]any) { block[unknownName] = "x" })
	return variation{settings: raw, name: unknownName, what: "with an unknown name"}, err
}

func checkUnknown(t *trial) error {
	v, err := t.withUnknown()
	if err != nil {
		return err
	}
	return refuses(t, []variation{v})
}

// checkOpenWrong opens with settings that Validate refuses: a plugin may be opened by
// an agent that has not asked it before.
func checkOpenWrong(t *trial) error {
	v, err := t.withUnknown()
	if err != nil {
		return err
	}
	p, err := t.start()
	if err != nil {
		return err
	}
	_, err = p.Open(t.ctx, v.settings, t.options.OpenEnvironment)
	switch {
	case err == nil:
		return fmt.Errorf("it opens with settings %s", v.what)
	case !sdk.IsInvalid(err):
		return fmt.Errorf("an Open with settings %s must fail as sdk.Invalid does (INVALID_ARGUMENT), for trying again cannot help; it failed with: %w", v.what, err)
	}
	return nil
}

func checkOpenOnce(t *trial) error {
	p, err := t.start()
	if err != nil {
		return err
	}
	if err := p.callEarly(t.ctx); err == nil {
		return errors.New("a call before Open succeeds")
	}
	p.Opened, err = p.Open(t.ctx, t.options.Settings, t.options.OpenEnvironment)
	if err != nil {
		return fmt.Errorf("open after a call that came too early: %w", err)
	}
	if _, err := p.Open(t.ctx, t.options.Settings, t.options.OpenEnvironment); err == nil {
		return errors.New("a second Open succeeds")
	}
	return p.stop()
}

// callEarly makes a call that must wait for Open.
func (p *process) callEarly(ctx context.Context) error {
	if p.trial.description.Kind == "source" {
		return p.Source().Discover(ctx, sdk.TimeRange{}, func([]sdk.Split) error { return nil })
	}
	_, err := p.Sink().Write(ctx, sdk.Batch{Pipeline: pipeline})
	return err
}
