package wire

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	pb "github.com/s-developer-team-inu/inu-logsmith/sdk/internal/pluginv1"
)

// SourceServer serves the plugin's source to the agent.
type SourceServer struct {
	pb.UnimplementedSourceServer
	opened *opened
}

// Discover lists splits page by page.
func (s *SourceServer) Discover(req *pb.DiscoverRequest, stream grpc.ServerStreamingServer[pb.DiscoverResponse]) error {
	source, err := openedAs[sdk.Source](s.opened)
	if err != nil {
		return err
	}
	r := sdk.TimeRange{Since: timeOf(req.GetSince()), Until: timeOf(req.GetUntil())}
	err = source.Discover(stream.Context(), r, func(splits []sdk.Split) error {
		return stream.Send(&pb.DiscoverResponse{Splits: splitsToWire(splits)})
	})
	return toStatus(err)
}

// Fetch sends the events of one split page by page.
func (s *SourceServer) Fetch(req *pb.FetchRequest, stream grpc.ServerStreamingServer[pb.FetchResponse]) error {
	source, err := openedAs[sdk.Source](s.opened)
	if err != nil {
		return err
	}
	err = source.Fetch(stream.Context(), splitFromWire(req.GetSplit()), func(events []sdk.Event) error {
		return stream.SendMsg(&fetchResponse{events: events})
	})
	return toStatus(err)
}

// Settle tells the source what became of splits.
func (s *SourceServer) Settle(ctx context.Context, req *pb.SettleRequest) (*pb.SettleResponse, error) {
	settler, err := openedAs[sdk.Settler](s.opened)
	if err != nil {
		return nil, err
	}
	settled := make([]sdk.Settled, len(req.GetSettled()))
	for i, m := range req.GetSettled() {
		settled[i] = sdk.Settled{Split: splitFromWire(m.GetSplit()), Err: errorOf(codes.Code(m.GetCode()), m.GetMessage())}
	}
	return &pb.SettleResponse{}, toStatus(settler.Settle(ctx, settled))
}

// Watch sends splits as they are announced.
func (s *SourceServer) Watch(_ *pb.WatchRequest, stream grpc.ServerStreamingServer[pb.WatchResponse]) error {
	watcher, err := openedAs[sdk.Watcher](s.opened)
	if err != nil {
		return err
	}
	err = watcher.Watch(stream.Context(), func(splits []sdk.Split) error {
		return stream.Send(&pb.WatchResponse{Splits: splitsToWire(splits)})
	})
	return toStatus(err)
}

// Source is the agent's end of a plugin's source.
type Source struct {
	client pb.SourceClient
}

var (
	_ sdk.Source  = (*Source)(nil)
	_ sdk.Settler = (*Source)(nil)
	_ sdk.Watcher = (*Source)(nil)
)

// NewSource calls the source behind conn.
func NewSource(conn grpc.ClientConnInterface) *Source {
	return &Source{client: pb.NewSourceClient(conn)}
}

// Discover calls found with each page that the plugin sends.
func (s *Source) Discover(ctx context.Context, r sdk.TimeRange, found func([]sdk.Split) error) error {
	return receive(ctx, func(ctx context.Context) (grpc.ClientStream, error) {
		return s.client.Discover(ctx, &pb.DiscoverRequest{Since: micros(r.Since), Until: micros(r.Until)})
	}, fresh, func(m *pb.DiscoverResponse) error {
		return found(splitsFromWire(m.GetSplits()))
	})
}

// Fetch calls emit with each page that the plugin sends. As with the plugin's own Fetch, emit
// may not keep the page, nor the bytes in it.
func (s *Source) Fetch(ctx context.Context, split sdk.Split, emit func([]sdk.Event) error) error {
	var page fetchResponse
	return receive(ctx, func(ctx context.Context) (grpc.ClientStream, error) {
		return s.client.Fetch(ctx, &pb.FetchRequest{Split: splitToWire(split)})
	}, func() *fetchResponse { return &page }, func(m *fetchResponse) error {
		defer messages.Put(m.text)
		return emit(m.events)
	})
}

// Settle passes the ends of splits to the plugin.
func (s *Source) Settle(ctx context.Context, settled []sdk.Settled) error {
	req := &pb.SettleRequest{Settled: make([]*pb.Settled, len(settled))}
	for i, x := range settled {
		m := &pb.Settled{Split: splitToWire(x.Split), Code: uint32(codeOf(x.Err))}
		if x.Err != nil {
			m.Message = x.Err.Error()
		}
		req.Settled[i] = m
	}
	_, err := s.client.Settle(ctx, req)
	return fromStatus(ctx, err)
}

// Watch calls found with each page that the plugin sends.
func (s *Source) Watch(ctx context.Context, found func([]sdk.Split) error) error {
	return receive(ctx, func(ctx context.Context) (grpc.ClientStream, error) {
		return s.client.Watch(ctx, &pb.WatchRequest{})
	}, fresh, func(m *pb.WatchResponse) error {
		return found(splitsFromWire(m.GetSplits()))
	})
}

// fresh is for messages that may be kept.
func fresh[M any]() *M { return new(M) }

// receive reads a stream to its end, each message into what next returns. Only a stream that
// ended with the status OK was complete; an error of each ends the call and is returned as it is.
func receive[M any](ctx context.Context, open func(context.Context) (grpc.ClientStream, error), next func() *M, each func(*M) error) error {
	streamCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := open(streamCtx)
	if err != nil {
		return fromStatus(ctx, err)
	}
	for {
		m := next()
		err := stream.RecvMsg(m)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fromStatus(ctx, err)
		}
		if err := each(m); err != nil {
			return err
		}
	}
}
