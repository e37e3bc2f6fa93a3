package policies

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"sstpwarden/policies/event"
)

var update = flag.Bool("update", false, "write input.schema.json anew")

// The schema of an Input is that of an Event, without the decision and with
// what an Input adds.
func TestInputSchema(t *testing.T) {
	var schema map[string]any
	dec := json.NewDecoder(bytes.NewReader(event.Schema))
	dec.UseNumber() // 2^64-1 is among them
	if err := dec.Decode(&schema); err != nil {
		t.Fatal(err)
	}
	defs := schema["$defs"].(map[string]any)
	input := defs["sstp"].(map[string]any)
	for _, name := range []string{"sstp", "summary", "decision", "outcome"} {
		delete(defs, name)
	}
	properties := input["properties"].(map[string]any)
	delete(properties, "decision")
	delete(properties, "other_decision")
	word := func(about string, words ...any) map[string]any {
		return map[string]any{"type": "string", "description": about, "enum": words}
	}
	properties["stage"] = word("What gave reason to ask.", string(StageConnect), string(StageHello), string(StageDetection))
	properties["point"] = word("Where the connection was seen.", string(PointAudit), string(PointProxy), string(PointNFQ))
	properties["time"] = map[string]any{"$ref": "#/$defs/time", "description": "The present; the capture's in an audit."}
	input["required"] = append(input["required"].([]any), "stage", "point", "time")

	input["$schema"] = schema["$schema"]
	input["$id"] = "urn:sstpwarden:input:1"
	input["title"] = "sstpwarden policy input, version 1"
	input["description"] = "What a policy is asked with: one TCP connection, and when and where it is asked. Facts that were not seen are left out."
	input["$defs"] = defs
	var want bytes.Buffer
	enc := json.NewEncoder(&want)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(input); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("input.schema.json", want.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		InputSchema = want.Bytes()
	}
	if diff := cmp.Diff(want.String(), string(InputSchema)); diff != "" {
		t.Errorf("input.schema.json is not made of event.schema.json; go test -update writes it (-want +got):\n%s", diff)
	}
}
