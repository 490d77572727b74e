package wire

import (
	"time"

	"github.com/s-developer-team-inu/inu-logsmith/sdk"
	pb "github.com/s-developer-team-inu/inu-logsmith/sdk/internal/pluginv1"
)

// Times travel as microseconds since 1970 with 0 for none; so 1970-01-01 itself
// arrives as none, which every sink stores under that very time.

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func splitToWire(s sdk.Split) *pb.Split {
	return &pb.Split{Id: s.ID, Time: micros(s.Time), Bytes: s.Bytes, Pass: s.Pass}
}

func splitFromWire(s *pb.Split) sdk.Split {
	return sdk.Split{ID: s.GetId(), Time: timeOf(s.GetTime()), Bytes: s.GetBytes(), Pass: s.GetPass()}
}

func splitsToWire(splits []sdk.Split) []*pb.Split {
	out := make([]*pb.Split, len(splits))
	for i, s := range splits {
		out[i] = splitToWire(s)
	}
	return out
}

func splitsFromWire(splits []*pb.Split) []sdk.Split {
	out := make([]sdk.Split, len(splits))
	for i, s := range splits {
		out[i] = splitFromWire(s)
	}
	return out
}

// restToWire is a batch without its events.
func restToWire(b sdk.Batch) *pb.WriteRequest {
	req := &pb.WriteRequest{
		Pipeline:   b.Pipeline,
		Spans:      make([]*pb.Span, len(b.Spans)),
		Completed:  make([]*pb.Completion, len(b.Completed)),
		Quarantine: make([]*pb.Quarantined, len(b.Quarantine)),
	}
	for i, s := range b.Spans {
		req.Spans[i] = &pb.Span{Source: s.Source, Split: s.Split, Len: int64(s.Len)}
	}
	for i, c := range b.Completed {
		req.Completed[i] = &pb.Completion{
			Source: c.Source, Split: splitToWire(c.Split), Filter: c.Filter,
			Status: string(c.Status), Reason: c.Reason,
			Read: c.Read, Filtered: c.Filtered,
			Stored: c.Stored, Duplicate: c.Duplicate, Quarantined: c.Quarantined,
		}
	}
	for i, q := range b.Quarantine {
		req.Quarantine[i] = &pb.Quarantined{
			Source: q.Source, Split: q.Split, EventId: q.EventID, Time: micros(q.Time), Reason: q.Reason, Raw: q.Raw,
		}
	}
	return req
}

// restFromWire is a batch without its events.
func restFromWire(req *pb.WriteRequest) sdk.Batch {
	b := sdk.Batch{
		Pipeline:   req.GetPipeline(),
		Spans:      make([]sdk.Span, len(req.GetSpans())),
		Completed:  make([]sdk.Completion, len(req.GetCompleted())),
		Quarantine: make([]sdk.Quarantined, len(req.GetQuarantine())),
	}
	for i, s := range req.GetSpans() {
		b.Spans[i] = sdk.Span{Source: s.GetSource(), Split: s.GetSplit(), Len: int(s.GetLen())}
	}
	for i, c := range req.GetCompleted() {
		b.Completed[i] = sdk.Completion{
			Source: c.GetSource(), Split: splitFromWire(c.GetSplit()), Filter: c.GetFilter(),
			Status: sdk.Status(c.GetStatus()), Reason: c.GetReason(),
			Read: c.GetRead(), Filtered: c.GetFiltered(),
			Stored: c.GetStored(), Duplicate: c.GetDuplicate(), Quarantined: c.GetQuarantined(),
		}
	}
	for i, q := range req.GetQuarantine() {
		b.Quarantine[i] = sdk.Quarantined{
			Source: q.GetSource(), Split: q.GetSplit(), EventID: q.GetEventId(),
			Time: timeOf(q.GetTime()), Reason: q.GetReason(), Raw: q.GetRaw(),
		}
	}
	return b
}

func resultToWire(r sdk.Result) *pb.WriteResponse {
	out := &pb.WriteResponse{New: r.New, Variants: int64(r.Variants), Rejected: make([]*pb.Reject, len(r.Rejected))}
	for i, x := range r.Rejected {
		out.Rejected[i] = &pb.Reject{Index: int64(x.Index), Reason: x.Reason}
	}
	return out
}

func resultFromWire(m *pb.WriteResponse) sdk.Result {
	r := sdk.Result{New: m.GetNew(), Variants: int(m.GetVariants())}
	for _, x := range m.GetRejected() {
		r.Rejected = append(r.Rejected, sdk.Reject{Index: int(x.GetIndex()), Reason: x.GetReason()})
	}
	return r
}
