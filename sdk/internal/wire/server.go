package wire

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// streamWorkers is how many calls find a goroutine whose stack has grown already. Reading a
// split takes a deep one, and growing it anew for each was a 25th of what the source s3 does.
// They are the 16 fetches that the agent makes of a source at a time, Discover, Watch, and two
// streams of go-plugin's own. More calls than that get a goroutine each.
const streamWorkers = 20

// ServerOptions are those of every plugin's gRPC server.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(MaxMessage),
		grpc.MaxSendMsgSize(MaxMessage),
		grpc.ForceServerCodecV2(newCodec()),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.ChainUnaryInterceptor(func(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (_ any, err error) {
			defer recovered(info.FullMethod, &err)
			return next(ctx, req)
		}),
		grpc.ChainStreamInterceptor(func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
			defer recovered(info.FullMethod, &err)
			return next(srv, stream)
		}),
	}
}

// DialOptions are those of the agent's connection to a plugin. An idle connection
// must stay up: its socket file may be gone by the time it is dialled again.
func DialOptions() []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithIdleTimeout(0),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(MaxMessage), grpc.MaxCallSendMsgSize(MaxMessage), grpc.ForceCodecV2(newCodec())),
	}
}

// recovered turns a panic of the author's code into an error of the one call, with
// the stack in the log.
func recovered(method string, err *error) {
	if p := recover(); p != nil {
		slog.Error("panic", "call", method, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		*err = status.Errorf(codes.Internal, "panic in %s: %v", method, p)
	}
}
