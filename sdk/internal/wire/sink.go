package wire

import (
	"context"
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	pb "github.com/s-developer-team-inu/inu-logsmith/sdk/internal/pluginv1"
)

// SinkServer serves the plugin's sink to the agent.
type SinkServer struct {
	pb.UnimplementedSinkServer
	opened *opened
}

// sinkService is the generated service, but that its Write gets a batch.
func sinkService() *grpc.ServiceDesc {
	d := pb.Sink_ServiceDesc
	d.Methods = slices.Clone(d.Methods)
	for i := range d.Methods {
		if m := &d.Methods[i]; "/"+d.ServiceName+"/"+m.MethodName == pb.Sink_Write_FullMethodName {
			m.Handler = handleWrite
		}
	}
	return &d
}

// handleWrite is what the generated code does for the other calls.
func handleWrite(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
	req := new(writeRequest)
	if err := decode(req); err != nil {
		return nil, err
	}
	call := func(ctx context.Context, req any) (any, error) {
		r := req.(*writeRequest)
		answer, err := srv.(*SinkServer).write(ctx, r.batch)
		if err == nil {
			// The sink may not keep the batch. What failed may still be at it: a connection
			// that is being closed, for one.
			messages.Put(r.text)
		}
		return answer, err
	}
	if interceptor == nil {
		return call(ctx, req)
	}
	return interceptor(ctx, req, &grpc.UnaryServerInfo{Server: srv, FullMethod: pb.Sink_Write_FullMethodName}, call)
}

// write stores one batch; the answer is the acknowledgement.
func (s *SinkServer) write(ctx context.Context, b sdk.Batch) (*pb.WriteResponse, error) {
	sink, err := openedAs[sdk.Sink](s.opened)
	if err != nil {
		return nil, err
	}
	select {
	case s.opened.writes <- struct{}{}:
		defer func() { <-s.opened.writes }()
	case <-ctx.Done():
		return nil, toStatus(context.Cause(ctx))
	}
	res, err := sink.Write(ctx, b)
	if err != nil {
		return nil, toStatus(err)
	}
	return resultToWire(res), nil
}

// Done asks the sink's ledger.
func (s *SinkServer) Done(ctx context.Context, req *pb.DoneRequest) (*pb.DoneResponse, error) {
	ledger, err := openedAs[sdk.Ledger](s.opened)
	if err != nil {
		return nil, err
	}
	states, err := ledger.Done(ctx, sdk.DoneQuery{
		Pipeline: req.GetPipeline(), Source: req.GetSource(), Filter: req.GetFilter(), Splits: req.GetSplits(),
	})
	if err != nil {
		return nil, toStatus(err)
	}
	out := &pb.DoneResponse{States: make([]uint32, len(states))}
	for i, x := range states {
		out.States[i] = uint32(x)
	}
	return out, nil
}

// Sink is the agent's end of a plugin's sink.
type Sink struct {
	conn   grpc.ClientConnInterface
	client pb.SinkClient
}

var (
	_ sdk.Sink   = (*Sink)(nil)
	_ sdk.Ledger = (*Sink)(nil)
)

// NewSink calls the sink behind conn.
func NewSink(conn grpc.ClientConnInterface) *Sink {
	return &Sink{conn: conn, client: pb.NewSinkClient(conn)}
}

// Write sends one batch and waits for its acknowledgement. An answer that does not
// fit the batch is an error: it acknowledges nothing.
func (s *Sink) Write(ctx context.Context, b sdk.Batch) (sdk.Result, error) {
	m := new(pb.WriteResponse)
	err := s.conn.Invoke(ctx, pb.Sink_Write_FullMethodName, &writeRequest{batch: b}, m, grpc.StaticMethod(), grpc.MaxCallRecvMsgSize(maxReply))
	if err != nil {
		return sdk.Result{}, writeError(ctx, err, b)
	}
	res := resultFromWire(m)
	if err := checkResult(res, len(b.Events)); err != nil {
		return sdk.Result{}, fmt.Errorf("plugin answered a write of %d events wrongly: %w", len(b.Events), err)
	}
	return res, nil
}

// maxReply bounds the answer to a write: flags and reasons, no events.
const maxReply = 8 << 20

// smallRequest is a batch that every gRPC library takes: none has a lower limit for
// received messages than 4 MiB by default.
const smallRequest = 4 << 20

// writeError is fromStatus for a write. That a message was too large is the fault of
// the data only if the request was large: else the plugin's answer was, and no event
// may go to quarantine for it.
func writeError(ctx context.Context, err error, b sdk.Batch) error {
	s := status.Convert(err)
	if s.Code() == codes.ResourceExhausted && sizeOfEvents(writeRequestEvents, b.Events)+proto.Size(restToWire(b)) <= smallRequest {
		return fmt.Errorf("plugin failed on a write of %d events: %s", len(b.Events), s.Message())
	}
	return fromStatus(ctx, err)
}

func checkResult(r sdk.Result, events int) error {
	if r.New != nil && len(r.New) != events {
		return fmt.Errorf("it reported on %d events", len(r.New))
	}
	if r.Variants < 0 || r.Variants > events {
		return fmt.Errorf("it reported %d variants", r.Variants)
	}
	seen := make(map[int]bool, len(r.Rejected))
	for _, x := range r.Rejected {
		if x.Index < 0 || x.Index >= events || seen[x.Index] {
			return fmt.Errorf("it rejected event %d, out of range or twice", x.Index)
		}
		seen[x.Index] = true
	}
	return nil
}

// Done asks which splits are done.
func (s *Sink) Done(ctx context.Context, q sdk.DoneQuery) ([]sdk.SplitState, error) {
	m, err := s.client.Done(ctx, &pb.DoneRequest{Pipeline: q.Pipeline, Source: q.Source, Filter: q.Filter, Splits: q.Splits})
	if err != nil {
		return nil, fromStatus(ctx, err)
	}
	if len(m.GetStates()) != len(q.Splits) {
		return nil, fmt.Errorf("plugin answered for %d of %d splits", len(m.GetStates()), len(q.Splits))
	}
	states := make([]sdk.SplitState, len(q.Splits))
	for i, x := range m.GetStates() {
		if x > uint32(sdk.SplitFiltered) {
			return nil, fmt.Errorf("plugin answered with the unknown split state %d", x)
		}
		states[i] = sdk.SplitState(x)
	}
	return states, nil
}
