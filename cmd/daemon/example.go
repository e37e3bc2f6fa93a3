package daemon

import _ "embed" // the example

//go:embed example.yaml
var example string

// Example gives a file of configuration that has every key, each with what it
// means and its default.
func Example() string { return example }
