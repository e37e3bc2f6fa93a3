package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"sstpwarden/cmd/cli/clitest"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sstpwarden": main,
	})
}

func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			env.Setenv("CORPUS", filepath.Join(root(t), "pcaps", "testdata"))
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status": clitest.Status("sstpwarden"),
		},
	})
}

var shBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// TestREADME runs what the README tells users to type.
func TestREADME(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root(t), "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := shBlock.FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 5 {
		t.Fatalf("%d blocks found", len(blocks))
	}
	if setUp := `export PATH="$PWD/bin:$PATH"`; !strings.Contains(string(text[:strings.Index(string(text), "```sh")]), setUp) {
		t.Errorf("before the first command the README does not say: %s", setUp)
	}
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(root(t), "pcaps"), filepath.Join(dir, "pcaps")); err != nil {
		t.Fatal(err)
	}
	self, err := exec.LookPath("sstpwarden") // testscript.Main put it on PATH
	if err != nil {
		t.Fatal(err)
	}
	lab := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", lab, "../sstplab").CombinedOutput(); err != nil {
		t.Fatalf("building sstplab: %v\n%s", err, out)
	}
	for _, b := range blocks {
		cmd := exec.CommandContext(t.Context(), "sh", "-e", "-c", b[1])
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(self)+":"+lab+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s\n%v\n%s", b[1], err, out)
		}
		if len(strings.TrimSpace(string(out))) == 0 {
			t.Errorf("%s\nprints nothing", b[1])
		}
	}
}
