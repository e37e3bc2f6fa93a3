package event

import _ "embed"

// Schema is the JSON Schema (draft 2020-12) of an [Event] and a [Summary]. It
// is strict: a field that it does not name is an error.
//
//go:embed event.schema.json
var Schema []byte
