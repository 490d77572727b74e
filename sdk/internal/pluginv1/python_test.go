package pluginv1_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"

	pb "github.com/s-developer-team-inu/inu-logsmith/sdk/internal/pluginv1"
)

const stubs = "../../python/plugin_pb2.py"

var update = flag.Bool("update", false, "write "+stubs)

// TestPythonStubsAreThoseOfTheProtocol holds the messages for Python against the
// protocol. They are made here, not by protoc, so that making them needs nothing but Go:
//
//	go test ./sdk/internal/pluginv1 -update
func TestPythonStubsAreThoseOfTheProtocol(t *testing.T) {
	want, err := pythonStubs()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(stubs, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(stubs)
	if err != nil || string(got) != want {
		t.Errorf("%s is not of this protocol (%v): go test ./sdk/internal/pluginv1 -update", stubs, err)
	}
}

// pythonStubs is what protoc writes for Python since version 3.20: the serialised
// description of the file, of which the protobuf package builds classes.
func pythonStubs() (string, error) {
	file := protodesc.ToFileDescriptorProto(pb.File_agent_plugin_v1_plugin_proto)
	file.Options = nil // Go's package
	raw, err := proto.MarshalOptions{Deterministic: true}.Marshal(file)
	if err != nil {
		return "", err
	}
	var text strings.Builder
	text.WriteString(`# Code generated from sdk/proto/agent/plugin/v1/plugin.proto. DO NOT EDIT.
"""The messages of the protocol between the agent and a plugin."""

from google.protobuf import descriptor_pool
from google.protobuf.internal import builder

DESCRIPTOR = descriptor_pool.Default().AddSerializedFile(
`)
	for len(raw) > 0 {
		n := min(len(raw), 40)
		text.WriteString(`    b"`)
		for _, c := range raw[:n] {
			if c < ' ' || c > '~' || c == '"' || c == '\\' {
				fmt.Fprintf(&text, `\x%02x`, c)
				continue
			}
			text.WriteByte(c)
		}
		text.WriteString("\"\n")
		raw = raw[n:]
	}
	text.WriteString(`)
builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, globals())
builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, "plugin_pb2", globals())
`)
	return text.String(), nil
}
