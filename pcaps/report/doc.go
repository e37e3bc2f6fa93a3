// Package report writes the result of an audit for people: [HTML] is one page
// that answers first and explains after, [CSV] a table for spreadsheets and
// scripts. Both take [event.Event] by [event.Event], as an audit finds them,
// and its [event.Summary] last.
//
// The page holds its style and its script itself, asks the network for
// nothing, says so in a Content-Security-Policy, and is complete without the
// script. Text from the wire is data in both: characters that would act, hide
// or turn the text around them are shown as Go writes them, "\u202e".
//
// The package opens no files and reads no clock: the same events and options
// give the same bytes. HTML and CSV are not safe for concurrent use.
package report
