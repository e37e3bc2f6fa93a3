// Package event defines what sstpwarden reports: one [Event] for every TCP
// connection worth telling of, and one [Summary] after an audit. Both are JSON
// objects, in the manner of Suricata's EVE, and the same from a capture, the
// proxy and the packet queue.
//
// [New] makes an Event of what the inspector found on a flow. An Event is also
// what policies are asked with; package policies adds to it where and when the
// question was asked, and [Event.Decision] afterwards holds the answer.
//
// Facts that were not seen are left out, never written as zero or empty. Words
// are lower case. Text from the wire is data: it is made valid UTF-8 and stands
// inside JSON strings. Passwords and authentication responses are no part of
// an Event, nor are queries of request targets, where people put them.
//
// [Schema] is the JSON Schema of both objects. [Version] changes when a field
// changes its meaning or goes; new fields do not change it.
//
// The package holds no connections, files or queues: it writes to an
// [io.Writer] that it is given, through an [Encoder].
package event
