//go:build interop

package uml

import (
	_ "embed"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// The guest's first process, and the script that it runs, as they are named in
// Machine.Dir.
const (
	initName   = "init"
	scriptName = "script"
)

//go:embed init.sh
var initScript string

// writeInit leaves the guest's first process and the script in dir.
func writeInit(dir, script string) error {
	quoted := "'" + strings.ReplaceAll(dir, "'", `'\''`) + "'"
	return errors.Join(
		os.WriteFile(filepath.Join(dir, initName), []byte(strings.Replace(initScript, "@DIR@", quoted, 1)), 0o755),
		os.WriteFile(filepath.Join(dir, scriptName), []byte(script), 0o644),
	)
}
