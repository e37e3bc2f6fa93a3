package policies

import (
	"hash/maphash"

	"sstpwarden/inspect"
)

// A State is what a [Gate] remembers of one connection. The zero State is that
// of a new one. It is not safe for concurrent use.
type State struct {
	decision *Decision
	last     judgement // that the policy was asked with
	stages   uint8     // that it was asked at, one bit each
}

// Decision returns the last Decision, the zero one if the policy was not asked.
func (s *State) Decision() Decision {
	if s.decision == nil {
		return Decision{}
	}
	return *s.decision
}

// A judgement is what of a Detection makes it worth asking again. Details,
// implementations and the order of evidence do not.
type judgement struct {
	proofs  uint64 // sum of the hashes of the proofs' rules
	score   int
	verdict inspect.Verdict
	kind    inspect.Kind
}

var seed = maphash.MakeSeed()

func judge(d *inspect.Detection) judgement {
	j := judgement{score: d.Score, verdict: d.Verdict, kind: d.Kind}
	for i := range d.Evidence {
		if e := &d.Evidence[i]; e.Proof {
			j.proofs += maphash.String(seed, e.Rule)
		}
	}
	return j
}

// due says that the policy must be asked, and takes it that it will be.
func (s *State) due(stage Stage, d *inspect.Detection) bool {
	bit, j := stageBit(stage), judge(d)
	if stage == StageDetection {
		if s.stages != 0 && j == s.last {
			return false
		}
	} else if s.stages&bit != 0 {
		return false
	}
	s.stages |= bit
	s.last = j
	return true
}

func stageBit(stage Stage) uint8 {
	switch stage {
	case StageConnect:
		return 1 << 0
	case StageHello:
		return 1 << 1
	default:
		return 1 << 2
	}
}
