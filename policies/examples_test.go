package policies

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func TestExamples(t *testing.T) {
	if got, want := Examples(), []string{"intercept", "lab", "log-only", "own-rras"}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, name := range Examples() {
		fsys, err := Example(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := fstest.TestFS(fsys, "data.yaml", "sstp/decision.rego", "sstp/decision_test.rego", "sstp/sanctioned.rego", "sstp/sanctioned_test.rego"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An example's file hides the default one, and no other.
func TestExampleOverlays(t *testing.T) {
	fsys, err := Example("lab")
	if err != nil {
		t.Fatal(err)
	}
	same := func(name string) bool {
		ours, err := fs.ReadFile(fsys, name)
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := fs.ReadFile(Default, name)
		if err != nil {
			t.Fatal(err)
		}
		return string(ours) == string(theirs)
	}
	if same("sstp/decision.rego") || !same("sstp/sanctioned.rego") {
		t.Error("the example does not replace its own file alone")
	}
	if _, err := fs.ReadDir(fsys, "nowhere"); err == nil {
		t.Error("a folder that is nowhere was read")
	}
}

func TestNoSuchExample(t *testing.T) {
	_, err := Example("own_rras")
	if err == nil || !strings.Contains(err.Error(), `no example policy is called "own_rras"; there are intercept, lab, log-only and own-rras`) {
		t.Errorf("got %v", err)
	}
}
