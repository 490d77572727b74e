// A plugin as the first version of the SDK made them, frozen: it speaks protocol 1 with
// the messages of that time, written out by hand, and shares no code with the SDK. It
// must keep working with every later agent that speaks protocol 1, and is never changed.
package main

import (
	"context"
	"errors"
	"io"
	"os"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

func main() {
	s := service{kind: os.Args[1]}
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: plugin.HandshakeConfig{
			ProtocolVersion:  1,
			MagicCookieKey:   "INU_LOGSMITH_PLUGIN",
			MagicCookieValue: "6f2c1f5e9b7d4d0a8c53a1e7",
		},
		VersionedPlugins: map[int]plugin.PluginSet{1: {"plugin": &served{}}},
		Logger:           hclog.New(&hclog.LoggerOptions{Level: hclog.Off, Output: io.Discard}),
		GRPCServer: func(opts []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(opts,
				grpc.ForceServerCodec(codec{}), grpc.UnknownServiceHandler(s.handle),
				grpc.MaxRecvMsgSize(64<<20), grpc.MaxSendMsgSize(64<<20))...)
		},
	})
}

// served registers nothing: every call is one that gRPC does not know.
type served struct{ plugin.NetRPCUnsupportedPlugin }

func (served) GRPCServer(*plugin.GRPCBroker, *grpc.Server) error { return nil }

func (served) GRPCClient(context.Context, *plugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("this is the plugin's side")
}

// A codec passes this program's messages as they are, and go-plugin's own as usual.
type codec struct{}

func (codec) Name() string { return "proto" }

func (codec) Marshal(v any) ([]byte, error) {
	if raw, ok := v.([]byte); ok {
		return raw, nil
	}
	return proto.Marshal(v.(proto.Message))
}

func (codec) Unmarshal(data []byte, v any) error {
	if raw, ok := v.(*[]byte); ok {
		*raw = append([]byte(nil), data...)
		return nil
	}
	return proto.Unmarshal(data, v.(proto.Message))
}

type service struct{ kind string }

func (s service) handle(_ any, stream grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(stream)
	var request []byte
	if err := stream.RecvMsg(&request); err != nil {
		return err
	}
	switch method {
	case "/agent.plugin.v1.Control/Describe":
		schema := `{"attributes":[{"name":"path","doc":"A file.","type":"string","required":true}]}`
		return stream.SendMsg(message(text(1, s.kind), text(2, "first"), text(3, "1.0.0"), text(4, "v1.0.0"), text(6, schema)))
	case "/agent.plugin.v1.Control/Validate":
		if string(field(request, 1)) == `{"path":""}` {
			return stream.SendMsg(message(text(1, string(message(text(1, "path"), text(2, "Empty"), text(3, "Write a path."))))))
		}
		return stream.SendMsg([]byte{})
	case "/agent.plugin.v1.Control/Open":
		// What a later agent does not know is no harm.
		return stream.SendMsg(message(number(1, 3), text(2, "parallel"), text(2, "levitation")))
	case "/agent.plugin.v1.Control/Close":
		return stream.SendMsg([]byte{})
	case "/agent.plugin.v1.Source/Discover":
		split := message(text(1, "a"), number(2, 1_700_000_000_000_000), number(3, 42))
		return stream.SendMsg(message(text(1, string(split))))
	case "/agent.plugin.v1.Source/Fetch":
		if string(field(field(request, 1), 1)) != "a" {
			return status.Error(codes.NotFound, "no such split")
		}
		event := message(text(1, "id"), number(2, 1_700_000_000_000_000), text(3, "ConsoleLogin"), number(9, 2), text(10, `{"a":1}`))
		return stream.SendMsg(message(text(1, string(event))))
	case "/agent.plugin.v1.Sink/Write":
		return s.write(stream, request)
	}
	return status.Error(codes.Unimplemented, method)
}

// write refuses events named "bad" and says that all others are new.
func (s service) write(stream grpc.ServerStream, request []byte) error {
	var reply, flags []byte
	for i, event := range fields(request, 2) {
		isNew := uint64(1)
		if string(field(event, 3)) == "bad" {
			isNew = 0
			reply = append(reply, text(1, string(message(number(1, uint64(i)), text(2, "it is bad"))))...)
		}
		flags = protowire.AppendVarint(flags, isNew)
	}
	return stream.SendMsg(append(reply, text(2, string(flags))...))
}

func message(parts ...[]byte) []byte {
	var m []byte
	for _, p := range parts {
		m = append(m, p...)
	}
	return m
}

func text(n protowire.Number, s string) []byte {
	return protowire.AppendString(protowire.AppendTag(nil, n, protowire.BytesType), s)
}

func number(n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, n, protowire.VarintType), v)
}

// fields are the values of a field of a message.
func fields(m []byte, wanted protowire.Number) (values [][]byte) {
	for len(m) > 0 {
		n, typ, head := protowire.ConsumeTag(m)
		size := protowire.ConsumeFieldValue(n, typ, m[head:])
		if head < 0 || size < 0 {
			return values
		}
		if n == wanted && typ == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(m[head:])
			values = append(values, value)
		}
		m = m[head+size:]
	}
	return values
}

func field(m []byte, wanted protowire.Number) []byte {
	if values := fields(m, wanted); len(values) > 0 {
		return values[0]
	}
	return nil
}
