package opa

import (
	"bytes"
	"errors"
	"maps"
	"path"
	"reflect"
	"slices"
	"strings"

	"sstpwarden/policies"
)

// A dataFile is a file of data, and where in Rego's data document it belongs.
type dataFile struct {
	shown string
	doc   map[string]any // the whole document with only this file in it
}

// parseData reads a file of data that belongs at the path at.
func parseData(f file, at []string) (dataFile, map[string]any, []Problem) {
	if len(bytes.TrimSpace(f.text)) == 0 {
		return dataFile{}, nil, []Problem{{File: f.shown, Text: "is empty", Remedy: "write {} into it if there is to be no data"}}
	}
	parse := policies.ParseData
	if len(at) > 0 {
		parse = policies.ParsePart // mergeData checks what it becomes a part of
	}
	doc, err := parse(f.shown, f.text)
	if err != nil {
		return dataFile{}, nil, dataProblems(f.shown, err)
	}
	whole := doc
	for _, key := range slices.Backward(at) {
		whole = map[string]any{key: whole}
	}
	return dataFile{shown: f.shown, doc: whole}, doc, nil
}

// folderOf gives the path in the data document of a file in a set.
func folderOf(name string) []string {
	if dir := path.Dir(name); dir != "." {
		return strings.Split(dir, "/")
	}
	return nil
}

// mergeData lays documents over each other, all the way down. Where two of them
// say different things, neither is right.
func mergeData(list []dataFile) (map[string]any, error) {
	out := map[string]any{}
	var problems []Problem
	for i, d := range list {
		lay(out, d.doc, nil, func(at []string) {
			p := Problem{
				File: d.shown, Text: "says something else of " + strings.Join(at, "."),
				Remedy: "keep it in one of them",
			}
			if from := whoSays(list[:i], at); from != "" {
				p.Text += " than " + from
			}
			problems = append(problems, p)
		})
	}
	if err := failed(nil, problems...); err != nil {
		return nil, err
	}
	if err := policies.CheckData(out); err != nil { // each file alone was right
		problems := dataProblems("", err)
		for i, p := range problems {
			top, _, _ := strings.Cut(p.Text, ":")
			top, _, _ = strings.Cut(top, ".")
			top, _, _ = strings.Cut(top, "[")
			problems[i].File = whoSays(list, []string{top})
		}
		return nil, failed(err, problems...)
	}
	return out, nil
}

// lay copies the objects of from into to, and calls clash where that cannot be.
func lay(to, from map[string]any, at []string, clash func(at []string)) {
	for _, key := range slices.Sorted(maps.Keys(from)) {
		at := append(slices.Clip(at), key)
		below, isObject := from[key].(map[string]any)
		there, taken := to[key]
		room, isRoom := there.(map[string]any)
		switch {
		case isObject && (isRoom || !taken):
			if !taken {
				room = map[string]any{} // from stays as it is
				to[key] = room
			}
			lay(room, below, at, clash)
		case !taken:
			to[key] = from[key]
		case !reflect.DeepEqual(there, from[key]):
			clash(at)
		}
	}
}

// whoSays returns the last of list that has something at that path or on the way
// there, "" if none has.
func whoSays(list []dataFile, at []string) string {
	for _, d := range slices.Backward(list) {
		var node any = d.doc
		says := true
		for _, key := range at {
			object, ok := node.(map[string]any)
			if !ok {
				break // it has another thing on the way
			}
			if node, says = object[key]; !says {
				break
			}
		}
		if says {
			return d.shown
		}
	}
	return ""
}

// errDisagree is about YAML of which it is not certain what was signed.
var errDisagree = errors.New("means one thing to OPA, which signed it, and another here")
