package wire

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	pb "github.com/s-developer-team-inu/inu-logsmith/sdk/internal/pluginv1"
	"github.com/s-developer-team-inu/inu-logsmith/sdk/schema"
)

// Description is what a plugin says of itself.
type Description struct {
	Kind       string // "source" or "sink"
	Type       string // "rds_direct"
	Version    string
	SDKVersion string
	// Features are those that its SDK can announce in Open.
	Features []string
	Settings schema.Block
}

// Definition is a source or sink that can be served: what package plugin makes of
// an author's open function.
type Definition interface {
	Description() Description
	Validate(settings []byte) []sdk.Fault
	Rights(settings []byte) []sdk.Right
	// Open returns an sdk.Source or an sdk.Sink, as the kind says.
	Open(ctx context.Context, settings []byte) (any, error)
}

// opened is the value that Open made, shared by the services.
type opened struct {
	mu    sync.Mutex
	value any
	// writes holds a token for each call of Write under way, as many as the sink
	// asked for. The agent keeps to that too, but a write that it gave up may still run.
	writes chan struct{}
}

// openedAs returns the open value if it has T's methods.
func openedAs[T any](o *opened) (T, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var zero T
	if o.value == nil {
		return zero, status.Error(codes.FailedPrecondition, "call before Open")
	}
	v, ok := o.value.(T)
	if !ok {
		return zero, status.Errorf(codes.Unimplemented, "%T has no such method", o.value)
	}
	return v, nil
}

// ControlServer serves a Definition to the agent.
type ControlServer struct {
	pb.UnimplementedControlServer
	def    Definition
	opened *opened
}

// Describe says what the plugin is.
func (s *ControlServer) Describe(context.Context, *pb.DescribeRequest) (*pb.DescribeResponse, error) {
	d := s.def.Description()
	block, err := json.Marshal(d.Settings)
	if err != nil {
		return nil, fmt.Errorf("marshal settings schema: %w", err)
	}
	return &pb.DescribeResponse{Kind: d.Kind, Type: d.Type, Version: d.Version, SdkVersion: d.SDKVersion, Features: featuresOf(d.Kind), Schema: block}, nil
}

// featuresOf are what a source or sink may have beyond the required calls.
func featuresOf(kind string) []string {
	if kind == "source" {
		return []string{FeatureSettle, FeatureWatch, FeatureWindowed, FeatureCheck}
	}
	return []string{FeatureLedger, FeatureParallel, FeatureCheck}
}

// Validate checks settings.
func (s *ControlServer) Validate(_ context.Context, req *pb.ValidateRequest) (*pb.ValidateResponse, error) {
	out := &pb.ValidateResponse{}
	for _, f := range s.def.Validate(req.GetSettings()) {
		out.Faults = append(out.Faults, &pb.Fault{Path: f.Path, Summary: f.Summary, Detail: f.Detail})
	}
	return out, nil
}

// Rights tells what the plugin has to be granted.
func (s *ControlServer) Rights(_ context.Context, req *pb.RightsRequest) (*pb.RightsResponse, error) {
	out := &pb.RightsResponse{}
	for _, r := range s.def.Rights(req.GetSettings()) {
		out.Rights = append(out.Rights, &pb.Right{System: r.System, Comment: r.Comment, Statement: r.Statement})
	}
	return out, nil
}

// Check tries the access of the source or sink.
func (s *ControlServer) Check(ctx context.Context, _ *pb.CheckRequest) (*pb.CheckResponse, error) {
	c, err := openedAs[sdk.Checker](s.opened)
	if err != nil {
		return nil, err
	}
	out := &pb.CheckResponse{}
	for _, f := range c.Check(ctx) {
		out.Findings = append(out.Findings, &pb.Finding{Subject: f.Subject, State: uint32(f.State), Detail: f.Detail, Fix: f.Fix})
	}
	return out, nil
}

// Open opens the source or sink; a second call is refused.
func (s *ControlServer) Open(ctx context.Context, req *pb.OpenRequest) (*pb.OpenResponse, error) {
	s.opened.mu.Lock()
	defer s.opened.mu.Unlock()
	if s.opened.value != nil {
		return nil, status.Error(codes.FailedPrecondition, "second call of Open")
	}
	for name, value := range req.GetEnvironment() {
		if err := os.Setenv(name, value); err != nil {
			return nil, fmt.Errorf("set environment variable %s: %w", name, err)
		}
	}
	v, err := s.def.Open(ctx, req.GetSettings())
	if err != nil {
		return nil, toStatus(err)
	}
	if v == nil {
		return nil, status.Error(codes.Internal, "open returned neither a value nor an error")
	}
	s.opened.value = v

	out := &pb.OpenResponse{Parallel: 1}
	if _, ok := v.(sdk.Settler); ok {
		out.Features = append(out.Features, FeatureSettle)
	}
	if _, ok := v.(sdk.Watcher); ok {
		out.Features = append(out.Features, FeatureWatch)
	}
	if _, ok := v.(sdk.Windowed); ok {
		out.Features = append(out.Features, FeatureWindowed)
	}
	if _, ok := v.(sdk.Ledger); ok {
		out.Features = append(out.Features, FeatureLedger)
	}
	if _, ok := v.(sdk.Checker); ok {
		out.Features = append(out.Features, FeatureCheck)
	}
	if p, ok := v.(sdk.Parallel); ok {
		out.Features = append(out.Features, FeatureParallel)
		out.Parallel = int32(min(max(p.Parallel(), 1), maxParallel))
	}
	s.opened.writes = make(chan struct{}, out.Parallel)
	return out, nil
}

// maxParallel bounds what a sink may ask for; more writes than this only hold memory.
const maxParallel = 64

// Close closes the source or sink, if it can be closed.
func (s *ControlServer) Close(context.Context, *pb.CloseRequest) (*pb.CloseResponse, error) {
	s.opened.mu.Lock()
	v := s.opened.value
	s.opened.value = nil
	s.opened.mu.Unlock()
	if c, ok := v.(interface{ Close() error }); ok {
		return &pb.CloseResponse{}, toStatus(c.Close())
	}
	return &pb.CloseResponse{}, nil
}

// Register serves def with all three services' worth of calls that its kind has.
func Register(s *grpc.Server, def Definition) {
	o := &opened{}
	pb.RegisterControlServer(s, &ControlServer{def: def, opened: o})
	if def.Description().Kind == "source" {
		pb.RegisterSourceServer(s, &SourceServer{opened: o})
		return
	}
	s.RegisterService(sinkService(), &SinkServer{opened: o})
}

// Control is the agent's end of the calls that every plugin serves.
type Control struct {
	client pb.ControlClient
}

// NewControl calls the plugin behind conn.
func NewControl(conn grpc.ClientConnInterface) *Control {
	return &Control{client: pb.NewControlClient(conn)}
}

// Describe asks what the plugin is.
func (c *Control) Describe(ctx context.Context) (Description, error) {
	m, err := c.client.Describe(ctx, &pb.DescribeRequest{AgentVersion: ownVersion(), Features: slices.Compact(slices.Sorted(slices.Values(slices.Concat(featuresOf("source"), featuresOf("sink")))))})
	if err != nil {
		return Description{}, fromStatus(ctx, err)
	}
	d := Description{Kind: m.GetKind(), Type: m.GetType(), Version: m.GetVersion(), SDKVersion: m.GetSdkVersion(), Features: m.GetFeatures()}
	if err := json.Unmarshal(m.GetSchema(), &d.Settings); err != nil {
		return Description{}, fmt.Errorf("plugin %s %s sent a settings schema that cannot be read: %w", d.Type, d.Version, err)
	}
	if err := d.Settings.Valid(); err != nil {
		return Description{}, sdk.Denied(fmt.Errorf("plugin %s %s sent a settings schema that cannot be used: %w", d.Type, d.Version, err))
	}
	return d, nil
}

// ownVersion is that of the program that asks.
func ownVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		return info.Main.Version
	}
	return ""
}

// Validate asks the plugin to check settings.
func (c *Control) Validate(ctx context.Context, settings []byte) ([]sdk.Fault, error) {
	m, err := c.client.Validate(ctx, &pb.ValidateRequest{Settings: settings})
	if err != nil {
		return nil, fromStatus(ctx, err)
	}
	var faults []sdk.Fault
	for _, f := range m.GetFaults() {
		faults = append(faults, sdk.Fault{Path: f.GetPath(), Summary: f.GetSummary(), Detail: f.GetDetail()})
	}
	return faults, nil
}

// Rights asks the plugin what it has to be granted under settings.
func (c *Control) Rights(ctx context.Context, settings []byte) ([]sdk.Right, error) {
	m, err := c.client.Rights(ctx, &pb.RightsRequest{Settings: settings})
	if status.Code(err) == codes.Unimplemented {
		return nil, nil // built with an SDK that did not know the question
	}
	if err != nil {
		return nil, fromStatus(ctx, err)
	}
	var rights []sdk.Right
	for _, r := range m.GetRights() {
		rights = append(rights, sdk.Right{System: r.GetSystem(), Comment: r.GetComment(), Statement: r.GetStatement()})
	}
	return rights, nil
}

// Check asks the open plugin to try its access.
func (c *Control) Check(ctx context.Context) ([]sdk.Finding, error) {
	m, err := c.client.Check(ctx, &pb.CheckRequest{})
	if err != nil {
		return nil, fromStatus(ctx, err)
	}
	var findings []sdk.Finding
	for _, f := range m.GetFindings() {
		findings = append(findings, sdk.Finding{
			Subject: f.GetSubject(), State: sdk.CheckState(min(f.GetState(), uint32(sdk.CheckFailed))),
			Detail: f.GetDetail(), Fix: f.GetFix(),
		})
	}
	return findings, nil
}

// Opened is what an open source or sink can do.
type Opened struct {
	Settles  bool // it wants Settle
	Watches  bool // it has Watch
	Windowed bool // listing a recent range costs less than listing everything
	Ledger   bool // it keeps the ledger
	Checks   bool // it has Check
	Parallel int  // calls of Write at a time, at least 1
}

// Open opens the source or sink with its settings and, for a built-in, the part of
// the agent's environment that its cloud libraries read.
func (c *Control) Open(ctx context.Context, settings []byte, environment map[string]string) (Opened, error) {
	m, err := c.client.Open(ctx, &pb.OpenRequest{Settings: settings, Environment: environment})
	if err != nil {
		return Opened{}, fromStatus(ctx, err)
	}
	return Opened{
		Settles:  slices.Contains(m.GetFeatures(), FeatureSettle),
		Watches:  slices.Contains(m.GetFeatures(), FeatureWatch),
		Windowed: slices.Contains(m.GetFeatures(), FeatureWindowed),
		Ledger:   slices.Contains(m.GetFeatures(), FeatureLedger),
		Checks:   slices.Contains(m.GetFeatures(), FeatureCheck),
		Parallel: min(max(int(m.GetParallel()), 1), maxParallel),
	}, nil
}

// Close closes the source or sink.
func (c *Control) Close(ctx context.Context) error {
	_, err := c.client.Close(ctx, &pb.CloseRequest{})
	return fromStatus(ctx, err)
}
