package host

import (
	"errors"
	"fmt"
	"strings"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/internal/wire"
)

// plainly says in one sentence why a program did not shake hands. go-plugin has no
// errors of its own to ask for, only a page of text; the tests of this package hold
// these beginnings against the version in go.mod.
func plainly(err error) error {
	text := err.Error()
	var theirs int
	if n, _ := fmt.Sscanf(text, "incompatible API version with plugin. Plugin version: %d", &theirs); n == 1 {
		return sdk.Denied(protocolMismatch(theirs))
	}
	if strings.HasPrefix(text, "incompatible core API version with plugin.") {
		return sdk.Denied(errors.New("the plugin was built with another generation of go-plugin than the agent: build it anew with this agent's sdk"))
	}
	line, found := strings.CutPrefix(text, "Unrecognized remote plugin message: ")
	if !found {
		return err
	}
	line, _, _ = strings.Cut(line, "\n")
	if line == "" {
		return sdk.Denied(errors.New("the program ended or closed its output before it shook hands; is it a plugin?"))
	}
	return sdk.Denied(fmt.Errorf("the program printed %q where a plugin shakes hands; is it a plugin?", line))
}

func protocolMismatch(theirs int) error {
	if theirs > wire.ProtocolVersion {
		return fmt.Errorf("the plugin is too new: it speaks protocol %d, this agent protocol %d; upgrade the agent", theirs, wire.ProtocolVersion)
	}
	return fmt.Errorf("the plugin is too old: it speaks protocol %d, this agent protocol %d; upgrade the plugin, or build it anew with this agent's sdk", theirs, wire.ProtocolVersion)
}
